//! Exit codes, and how an error becomes one.

use std::process::ExitCode;

use millrace_ingest::config::ConfigError as GatewayConfigError;
use millrace_loadgen::{GatewayError, grade::gateway::SendError};
use millrace_processors::scoring::{
    configuration::ChangeError,
    model::{BundleError, RuntimeError as LibraryError},
};
use millrace_projections::clickhouse::rebuild::RebuildError;
use millrace_runtime::{RuntimeError, config::ConfigError};

/// The exit codes, as `--help` says them.
pub const HELP: &str = "Exit codes:
    0  done
    1  failed; the message says why and what to do
    2  wrong usage or configuration
    3  not available: the stack does not run, a part is missing, or a service does not answer
  130  interrupted

Each command's --help has examples.";

/// Something failed.
pub const FAILED: u8 = 1;
/// Arguments or configuration are wrong; the argument parser uses the same.
pub const USAGE: u8 = 2;
/// What is needed does not run or is not there.
pub const UNAVAILABLE: u8 = 3;
/// Ctrl-C.
pub const INTERRUPTED: u8 = 130;

/// Says an error on stderr, and the code to exit with.
pub fn report(error: &anyhow::Error) -> ExitCode {
    eprintln!("millrace: {error:#}");
    ExitCode::from(code_of(error))
}

fn code_of(error: &anyhow::Error) -> u8 {
    use millrace_local::Error;
    if error.is::<ConfigError>() || error.is::<GatewayConfigError>() || error.is::<ChangeError>() {
        return USAGE;
    }
    if error.is::<BundleError>() {
        return USAGE;
    }
    if error.is::<LibraryError>() {
        return UNAVAILABLE;
    }
    if let Some(RuntimeError::Transient(_)) = error.downcast_ref() {
        return UNAVAILABLE;
    }
    match error.downcast_ref() {
        Some(SendError::Http(_)) => return UNAVAILABLE,
        Some(SendError::Url(_)) => return USAGE,
        _ => {}
    }
    match error.downcast_ref() {
        Some(GatewayError::NotReady { .. }) => return UNAVAILABLE,
        Some(GatewayError::Url(_)) => return USAGE,
        _ => {}
    }
    match error.downcast_ref() {
        Some(RebuildError::Runtime(RuntimeError::Transient(_))) => return UNAVAILABLE,
        Some(RebuildError::ClickHouse(error)) if error.is_transient() => return UNAVAILABLE,
        _ => {}
    }
    match error.downcast_ref::<Error>() {
        Some(Error::PortBase(_) | Error::Unknown { .. }) => USAGE,
        Some(Error::NotRunning { .. } | Error::PartMissing { .. } | Error::JavaMissing) => UNAVAILABLE,
        _ => FAILED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_the_documented_ones() {
        use millrace_local::Error;
        assert_eq!(code_of(&Error::PortBase(1).into()), USAGE);
        assert_eq!(code_of(&Error::NotRunning { home: "h".into() }.into()), UNAVAILABLE);
        assert_eq!(code_of(&anyhow::anyhow!("anything else")), FAILED);
        assert_eq!(code_of(&anyhow::Error::from(Error::JavaMissing).context("starting")), UNAVAILABLE);
        for code in [FAILED, USAGE, UNAVAILABLE, INTERRUPTED] {
            assert!(HELP.lines().any(|line| line.trim_start().starts_with(&format!("{code} "))), "{code}");
        }
    }
}
