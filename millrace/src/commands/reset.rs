//! `millrace reset`: stops the local stack and deletes its data.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use millrace_local::Home;

use super::down;
use crate::ask;

pub const EXAMPLES: &str = "Examples:
  millrace reset            asks first
  millrace reset --yes      does not ask";

/// All a home holds; anything else in its folder is not ours to delete.
const OURS: [&str; 5] = ["data", "logs", "run", "sample", "sample-sent"];

#[derive(clap::Args)]
pub struct Args {
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let home = Home::find()?;
    let folder = home.folder().display();
    let question = format!("Delete every event, table and log in {folder}?");
    if !args.yes && !ask::confirmed(&question, &format!("delete {folder}"))? {
        println!("nothing was deleted");
        return Ok(ExitCode::SUCCESS);
    }
    down::stop(&home)?;
    delete(home.folder())?;
    println!("deleted the data in {}", home.folder().display());
    Ok(ExitCode::SUCCESS)
}

fn delete(folder: &Path) -> Result<()> {
    for path in OURS.map(|name| folder.join(name)) {
        let deleted = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        match deleted {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("deleting {}", path.display()));
            }
            _ => {}
        }
    }
    // Stays when something else is in it.
    let _ = fs::remove_dir(folder);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_stack_made_is_deleted() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("data/kafka")).unwrap();
        for file in ["sample-sent", "mine"] {
            fs::write(folder.path().join(file), "").unwrap();
        }
        delete(folder.path()).unwrap();
        delete(folder.path()).unwrap();
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(left, ["mine"]);
    }
}
