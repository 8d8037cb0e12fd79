//! What figures were measured on.

use serde::Serialize;
use std::fmt;

/// A machine, as far as it tells.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// Processors that this process may use.
    pub cores: usize,
    /// Their model, when the system tells.
    pub model: Option<String>,
    /// Processes that ran or wanted to, on average over the minute before.
    pub load_before: Option<f64>,
}

impl Machine {
    /// This one.
    pub fn here() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).ok();
        let model = read("/proc/cpuinfo").and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        });
        let load_before = read("/proc/loadavg").and_then(|text| text.split_whitespace().next()?.parse().ok());
        Self { cores: std::thread::available_parallelism().map_or(1, usize::from), model, load_before }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let build = if cfg!(debug_assertions) { "debug" } else { "release" };
        write!(f, "{} cores, {}, {build} build", self.cores, self.model.as_deref().unwrap_or("unknown model"))?;
        self.load_before.map_or(Ok(()), |load| write!(f, ", load {load:.1} before"))
    }
}
