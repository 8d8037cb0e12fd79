//! The endpoint as a program of its own.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use millrace_engine::{Credentials, EngineConfig, EngineError, Secret, run};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Serves ClickHouse's HTTP interface from an embedded engine.
#[derive(Parser)]
#[command(version, args_override_self = true)]
struct Arguments {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:8123")]
    listen: SocketAddr,
    /// Directory of the databases.
    #[arg(long)]
    data_dir: PathBuf,
    /// Path of libchdb.so.
    #[arg(long, env = "MILLRACE_LIBCHDB")]
    library: PathBuf,
    /// User who may connect; needs a password.
    #[arg(long, env = "MILLRACE_ENGINE_USER", requires = "password")]
    user: Option<String>,
    /// Password of that user.
    #[arg(long, env = "MILLRACE_ENGINE_PASSWORD", hide_env_values = true, requires = "user")]
    password: Option<String>,
    /// Statements that run at a time.
    #[arg(long, default_value_t = 64)]
    max_concurrent_queries: usize,
    /// Largest body of a request in bytes.
    #[arg(long)]
    max_body_bytes: Option<u64>,
    /// Memory in bytes the engine may use for queries [default: nine tenths of the machine's].
    #[arg(long)]
    max_memory_bytes: Option<u64>,
    /// Seconds that running statements get to end when the program is told to stop.
    #[arg(long, default_value_t = 10)]
    drain_seconds: u64,
    /// Stop when standard input closes: the program then ends with the one that started it, however that one ends.
    #[arg(long)]
    until_stdin_closes: bool,
    /// Answer inserts before they are on disk.
    #[arg(long)]
    no_fsync: bool,
}

impl Arguments {
    fn config(self) -> EngineConfig {
        let mut config = EngineConfig::new(self.listen, self.data_dir, self.library);
        let given = self.user.zip(self.password);
        config.credentials = given.map(|(user, password)| Credentials { user, password: Secret::new(password) });
        config.max_concurrent_queries = self.max_concurrent_queries;
        config.max_body_bytes = self.max_body_bytes.unwrap_or(config.max_body_bytes);
        config.max_memory_bytes = self.max_memory_bytes;
        config.drain_timeout = std::time::Duration::from_secs(self.drain_seconds);
        config.fsync_inserts = !self.no_fsync;
        config
    }
}

#[tokio::main]
async fn main() -> std::process::ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::from_default_env())
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    let arguments = Arguments::parse();
    let with_stdin = arguments.until_stdin_closes;
    match serve(arguments.config(), with_stdin).await {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("millrace-engine: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

async fn serve(config: EngineConfig, with_stdin: bool) -> Result<(), EngineError> {
    let listen = config.listen;
    let listener = TcpListener::bind(listen).await.map_err(|source| EngineError::Listen { listen, source })?;
    if let Ok(address) = listener.local_addr() {
        println!("listening on {address}");
    }
    let stop = async {
        tokio::select! {
            () = stop_signal() => {}
            () = stdin_closed(), if with_stdin => {}
        }
    };
    run(config, listener, stop).await
}

/// Completes when standard input has come to its end.
async fn stdin_closed() {
    let (closed_tx, closed) = tokio::sync::oneshot::channel();
    // A thread of its own: a blocked read of the runtime's would hold up its end.
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        let _ = closed_tx.send(());
    });
    let _ = closed.await;
}

/// Completes on SIGTERM or SIGINT.
async fn stop_signal() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
