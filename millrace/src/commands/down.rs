//! `millrace down`: stops the local stack.

use std::process::ExitCode;

use anyhow::Result;
use millrace_local::{Error, Home, stack};

pub const EXAMPLES: &str = "Examples:
  millrace down                                  the stack of this clone
  MILLRACE_HOME=/srv/millrace millrace down      another one";

#[derive(clap::Args)]
pub struct Args {}

pub fn run(_: &Args) -> Result<ExitCode> {
    stop(&Home::find()?)?;
    Ok(ExitCode::SUCCESS)
}

/// Stops the home's stack; that nothing ran is fine too, and said.
pub fn stop(home: &Home) -> Result<()> {
    match stack::stop(home) {
        Ok(_) => println!("stopped; the data is kept in {}", home.folder().display()),
        Err(Error::NotRunning { .. }) => println!("nothing was running in {}", home.folder().display()),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
