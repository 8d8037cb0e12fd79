//! Programs in Python that act as other people's clients.

use std::{path::PathBuf, process::Command};

/// A command that runs a script of `tests/clients/` or `tests/oracle/` with the interpreter of `make test`.
pub fn script(path: &str) -> Command {
    let python = std::env::var_os("MILLRACE_TEST_PYTHON")
        .expect("MILLRACE_TEST_PYTHON names no interpreter with the clients' packages; run the tests with `make test`");
    let mut command = Command::new(python);
    command.arg(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path));
    command
}

/// Runs a script to its end; its standard output. Panics with its standard error when it fails.
pub fn run(command: &mut Command) -> String {
    try_run(command).unwrap_or_else(|error| panic!("{error}"))
}

/// Runs a script to its end; its standard output, or its standard error when it fails.
///
/// # Errors
/// When it ends with another code than 0.
pub fn try_run(command: &mut Command) -> Result<String, String> {
    let output = command.output().expect("the interpreter starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    Err(format!("{command:?} failed ({}):\n{}\n{}", output.status, text(&output.stdout), text(&output.stderr)))
}
