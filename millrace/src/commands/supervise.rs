//! `millrace supervise`: the process that keeps the local stack running, in the background of `millrace up`.

use std::env;
use std::process::ExitCode;

use anyhow::{Context, Result};
use millrace_local::stack::{self, Layout};
use millrace_local::{Home, Parts, Ports};

#[derive(clap::Args)]
pub struct Args {
    /// Move every port to this one and those after it
    #[arg(long)]
    port_base: Option<u16>,
}

/// Runs until it is told to stop. On the main thread: what it starts ends with the thread that started it.
pub fn run(args: &Args) -> Result<ExitCode> {
    let binary = env::current_exe().context("finding out which program this is")?;
    let layout = Layout { home: Home::find()?, parts: Parts::find()?, ports: Ports::new(args.port_base)?, binary };
    stack::supervise(&layout, env!("CARGO_PKG_VERSION"))?;
    Ok(ExitCode::SUCCESS)
}
