//! `millrace up`: starts the local stack in the background, shows how it gets ready, and returns when it is.

use std::collections::BTreeSet;
use std::env;
use std::process::{Child, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use millrace_local::supervisor::{Phase, UnitState};
use millrace_local::{Binary, Error, Home, Parts, Ports, State, stack};
use tokio::time::sleep;

use super::status;
use crate::{exit, first_look};

pub const EXAMPLES: &str =
    "The stack survives the terminal and logging out. Started again it keeps its data; built anew meanwhile,
it is restarted with the new program.

Examples:
  millrace up
  PORT_BASE=20000 millrace up      beside another clone's stack
  millrace status                  what runs
  millrace down                    stop it";

const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Something that failed this often while starting will not come up by itself.
const FAILURES_MAX: u32 = 4;

#[derive(clap::Args)]
pub struct Args {
    /// Move every port to this one and those after it
    #[arg(long, env = "PORT_BASE", value_name = "PORT")]
    port_base: Option<u16>,
    /// Give up when it is not ready after this long, in seconds
    #[arg(long, default_value_t = 300, value_name = "SECONDS")]
    timeout: u64,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let home = Home::find()?;
    Parts::find()?;
    let ports = Ports::new(args.port_base)?;
    let mut supervisor = if running_as_wanted(&home, args, &ports)? {
        println!("the stack is running already");
        None
    } else {
        Some(launch(&home, args)?)
    };
    let deadline = Instant::now() + Duration::from_secs(args.timeout);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let ready = tokio::select! {
            ready = wait_ready(&home, supervisor.as_mut(), deadline) => ready,
            _ = tokio::signal::ctrl_c() => {
                eprintln!("millrace: interrupted");
                undo(&home, supervisor.as_mut());
                return Ok(ExitCode::from(exit::INTERRUPTED));
            }
        };
        let state = ready.inspect_err(|_| undo(&home, supervisor.as_mut()))?;
        tokio::select! {
            shown = first_look::show(&home, &state.ports) => shown.map(|()| ExitCode::SUCCESS),
            _ = tokio::signal::ctrl_c() => {
                eprintln!("millrace: interrupted; the stack runs on: `make down` stops it");
                Ok(ExitCode::from(exit::INTERRUPTED))
            }
        }
    })
}

/// Half a stack helps nobody: one that was started here and is not ready is stopped again, and its logs stay.
fn undo(home: &Home, supervisor: Option<&mut Child>) {
    let Some(supervisor) = supervisor else { return };
    if matches!(supervisor.try_wait(), Ok(Some(_))) {
        return;
    }
    // One that has not written down yet that it runs is killed, and all it started with it.
    if stack::stop(home).is_err() {
        let _ = supervisor.kill();
    }
    let _ = supervisor.wait();
    eprintln!("millrace: the stack was stopped again, since it did not become ready");
}

/// Whether this program's stack runs already, on the ports asked for. One that runs otherwise is stopped.
fn running_as_wanted(home: &Home, args: &Args, ports: &Ports) -> Result<bool> {
    let Ok(state) = State::of_running(home) else { return Ok(false) };
    let same_program = Binary::at(&env::current_exe()?)? == state.binary;
    let same_ports = args.port_base.is_none() || *ports == state.ports;
    if same_program && same_ports {
        return Ok(true);
    }
    let why = if same_program { "to move its ports" } else { "since it was built anew" };
    println!("the stack is running; restarting it {why}");
    stack::stop(home)?;
    Ok(false)
}

fn launch(home: &Home, args: &Args) -> Result<Child> {
    let program = env::current_exe().context("finding out which program this is")?;
    let base = args.port_base.map(|base| base.to_string());
    let mut words = vec!["supervise"];
    words.extend(base.as_deref().into_iter().flat_map(|base| ["--port-base", base]));
    println!("starting the stack in {}", home.folder().display());
    Ok(stack::launch(home, &program, &words)?)
}

/// Shows each process once it is ready, and returns when all are.
async fn wait_ready(home: &Home, mut supervisor: Option<&mut Child>, deadline: Instant) -> Result<State> {
    let mut shown = BTreeSet::new();
    loop {
        if let Some(status) = supervisor.as_mut().and_then(|child| child.try_wait().transpose()) {
            status?;
            return Err(Error::supervisor_ended(home).into());
        }
        if let Ok(state) = State::of_running(home) {
            let mut settled: Vec<(&str, &UnitState)> =
                state.units.iter().filter(|(_, it)| it.phase.is_settled()).collect();
            settled.sort_by_key(|(_, unit)| unit.since_ms);
            for (name, unit) in settled {
                if shown.insert(name.to_owned()) {
                    println!("{}", line(name, unit));
                }
            }
            if let Some((name, unit)) = state.units.iter().find(|(_, unit)| given_up(unit)) {
                return Err(Error::not_ready(home, name, unit.trouble.as_deref().unwrap_or("failed")).into());
            }
            if state.units.is_settled() && state.units.iter().next().is_some() {
                return Ok(state);
            }
            if Instant::now() >= deadline {
                let late = state.units.iter().find(|(_, unit)| !unit.phase.is_settled());
                let (name, phase) = late.map_or(("nothing", "late"), |(name, unit)| (name, status::phase(unit.phase)));
                return Err(Error::not_ready(home, name, &format!("is still {phase}; it had long enough")).into());
            }
        } else if Instant::now() >= deadline {
            bail!("the supervisor did not begin; see {}", home.log("supervisor").display());
        }
        sleep(LOOK_EVERY).await;
    }
}

fn given_up(unit: &UnitState) -> bool {
    unit.phase == Phase::Failed || unit.restarts >= FAILURES_MAX && !unit.phase.is_settled()
}

fn line(name: &str, unit: &UnitState) -> String {
    let took = unit.ready_after_ms.map(|ms| format!("{:.1} s", ms as f64 / 1000.0)).unwrap_or_default();
    format!("  {name:<13} {:<6} {took:>7}  {}", status::phase(unit.phase), unit.address).trim_end().to_owned()
}
