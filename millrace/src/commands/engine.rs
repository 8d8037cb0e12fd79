//! `millrace engine`: the local ClickHouse endpoint.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use millrace_engine::{Credentials, EngineConfig, Secret};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

pub const EXAMPLES: &str = "Examples:
  millrace engine --data-dir /var/lib/millrace/clickhouse --library .cache/parts/libchdb/libchdb.so
  curl 'http://127.0.0.1:8123/?query=SELECT+version()'";

#[derive(clap::Args)]
pub struct Args {
    /// Address to listen on; anything but loopback needs a user and password
    #[arg(long, default_value = "127.0.0.1:8123", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Folder of the databases, made when missing; one process uses it at a time
    #[arg(long, value_name = "FOLDER")]
    data_dir: PathBuf,
    /// Path of libchdb.so; `make parts` puts it into .cache/parts/libchdb
    #[arg(long, env = "MILLRACE_LIBCHDB", value_name = "FILE")]
    library: PathBuf,
    /// User who may connect
    #[arg(long, env = "MILLRACE_ENGINE_USER", requires = "password")]
    user: Option<String>,
    /// Password of that user
    #[arg(long, env = "MILLRACE_ENGINE_PASSWORD", hide_env_values = true, requires = "user")]
    password: Option<String>,
    /// Answer inserts before they are on disk: faster, and safe from everything but a power failure
    #[arg(long)]
    no_fsync: bool,
}

pub fn run(args: Args) -> Result<ExitCode> {
    millrace_runtime::telemetry::log(&millrace_runtime::telemetry::LogConfig::default());
    let mut config = EngineConfig::new(args.listen, args.data_dir, args.library);
    let given = args.user.zip(args.password);
    config.credentials = given.map(|(user, password)| Credentials { user, password: Secret::new(password) });
    config.fsync_inserts = !args.no_fsync;
    tokio::runtime::Runtime::new()?.block_on(serve(config))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(config: EngineConfig) -> Result<()> {
    let listen = config.listen;
    let listener = TcpListener::bind(listen).await;
    let listener = listener.with_context(|| format!("cannot listen on {listen}; is another program there?"))?;
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let told_to_stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    Ok(millrace_engine::run(config, listener, told_to_stop).await?)
}
