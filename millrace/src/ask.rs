//! Asking before something is done that cannot be undone.

use anyhow::{Result, bail};
use std::io::{self, BufRead, IsTerminal, Write};

/// Whether a person at the terminal says yes. Fails where nobody can be asked, with what `--yes` would allow.
pub fn confirmed(question: &str, what: &str) -> Result<bool> {
    if !io::stdin().is_terminal() {
        bail!("nobody can be asked here whether to {what}: pass --yes");
    }
    print!("{question} [y/N] ");
    io::stdout().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
