//! `millrace sandbox -- COMMAND`: real services for the length of one command.

use std::env;
use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus};
use std::time::Instant;

use anyhow::{Context, Result};
use millrace_local::{Part, Sandbox, SandboxOptions, sweep};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

use crate::exit;

pub const EXAMPLES: &str =
    "The command finds the services in MILLRACE_TEST_KAFKA (host:port), MILLRACE_TEST_REGISTRY (base of the
Confluent API) and MILLRACE_TEST_CLICKHOUSE (base of the HTTP interface), and this program in MILLRACE_BIN.
Its exit status is that of the command.

Examples:
  millrace sandbox -- cargo test --workspace
  millrace sandbox -- bash                        a shell to try things in
  millrace sandbox --only clickhouse -- bash -c 'curl -s \"$MILLRACE_TEST_CLICKHOUSE/?query=SELECT+1\"'";

#[derive(clap::Args)]
pub struct Args {
    /// Only these parts; may be given several times
    #[arg(long, value_enum, value_name = "PART")]
    only: Vec<Only>,
    /// The command and its arguments
    #[arg(required = true, last = true)]
    command: Vec<OsString>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Only {
    Kafka,
    Registry,
    Clickhouse,
}

impl From<Only> for Part {
    fn from(only: Only) -> Self {
        match only {
            Only::Kafka => Part::Kafka,
            Only::Registry => Part::Registry,
            Only::Clickhouse => Part::ClickHouse,
        }
    }
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let parts: Vec<Part> = args.only.iter().copied().map(Part::from).collect();
    let parts = if parts.is_empty() { Part::ALL.to_vec() } else { parts };
    sweep::adopt_orphans();
    let started = Instant::now();
    // Ctrl-C reaches the command too, which decides what to do; the services are stopped when it has ended.
    let sandbox =
        Sandbox::with(SandboxOptions { parts: parts.clone(), end_on_signals: false, ..SandboxOptions::default() })?;
    let names: Vec<&str> = parts.iter().map(|part| part.name()).collect();
    eprintln!("millrace: {} ready in {:.1} s", names.join(", "), started.elapsed().as_secs_f64());

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let status = runtime.block_on(async {
        let child = command(&args.command, &sandbox, &parts)?.spawn();
        let child = child.with_context(|| format!("cannot run {}", args.command[0].display()))?;
        wait(child).await
    })?;
    drop(sandbox);
    for left in sweep::orphans() {
        eprintln!("millrace: the command left pid {} running ({}); it was killed", left.pid, left.command);
    }
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    Ok(ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(exit::FAILED)))
}

fn command(words: &[OsString], sandbox: &Sandbox, parts: &[Part]) -> Result<Command> {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).env("MILLRACE_BIN", env::current_exe()?);
    for part in parts {
        match part {
            Part::Kafka => command.env("MILLRACE_TEST_KAFKA", sandbox.kafka()),
            Part::Registry => command.env("MILLRACE_TEST_REGISTRY", sandbox.registry()),
            Part::ClickHouse => command.env("MILLRACE_TEST_CLICKHOUSE", sandbox.clickhouse()),
        };
    }
    Ok(command)
}

/// Waits for the command to end. SIGTERM ends it, as does a second Ctrl-C when it took no notice of the first.
async fn wait(mut child: Child) -> Result<ExitStatus> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut interrupted = false;
    loop {
        tokio::select! {
            status = child.wait() => return Ok(status?),
            _ = terminate.recv() => child.start_kill()?,
            _ = interrupt.recv() => {
                if std::mem::replace(&mut interrupted, true) {
                    child.start_kill()?;
                }
            }
        }
    }
}
