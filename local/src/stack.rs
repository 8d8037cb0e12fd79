//! What the stack is made of, as [`Spec`]s, and how it is started, stopped and found as a whole.
//!
//! * [`broker`], [`registry`], [`clickhouse`]: the parts; [`services`]: the services, which are this same program
//! * [`supervise`]: what the supervisor's process does; [`launch`] and [`stop`]: starting and ending that process
//!
//! The supervisor holds the home's lock for as long as it lives, writes down what it runs on every change, and is the parent of
//! everything else: when it ends, however it ends, everything does.

pub mod broker;
pub mod clickhouse;
mod control;
pub mod registry;
mod run;
pub mod services;

use std::path::{Path, PathBuf};

pub use control::{launch, stop};
pub use run::supervise;

use crate::{Home, Parts, Ports, Result, Spec, files};

/// How a JVM is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jvm {
    /// Compiled thoroughly, for a stack that runs long.
    Steady,
    /// Compiled quickly, for one that is up in seconds and gone in minutes.
    Quick,
}

impl Jvm {
    /// The options for a heap of at most `heap_mb`.
    fn options(self, heap_mb: u32) -> Vec<String> {
        let quick: &[&str] = match self {
            Jvm::Steady => &[],
            Jvm::Quick => &["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"],
        };
        // A JVM that ran out of memory half works; ended, it is started again.
        let common = [
            format!("-Xmx{heap_mb}m"),
            "-XX:+ExitOnOutOfMemoryError".to_owned(),
            "-Djava.awt.headless=true".to_owned(),
        ];
        common.into_iter().chain(quick.iter().map(|option| (*option).to_owned())).collect()
    }
}

/// Everything a stack is made of.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Where it keeps its data.
    pub home: Home,
    /// The fetched parts.
    pub parts: Parts,
    /// Where everything listens.
    pub ports: Ports,
    /// The program the ClickHouse endpoint and the services are.
    pub binary: PathBuf,
}

impl Layout {
    /// The processes of the whole stack; writes the files they are started with.
    ///
    /// # Errors
    /// When a folder or file cannot be written.
    pub fn specs(&self) -> Result<Vec<Spec>> {
        let mut specs = broker::specs(self, Jvm::Steady, &[])?;
        specs.push(registry::spec(self)?);
        specs.push(clickhouse::spec(self)?);
        specs.extend(services::specs(self)?);
        Ok(specs)
    }

    /// The ports the whole stack listens on.
    pub fn listens_on(&self) -> impl Iterator<Item = &str> {
        self.ports.iter().map(|(name, _)| name).filter(|name| !matches!(*name, "loadgen" | "cql"))
    }

    fn data_folder(&self, part: &str) -> Result<PathBuf> {
        let folder = self.home.data(part);
        files::create_folder(&folder)?;
        Ok(folder)
    }

    fn file(&self, name: &str, content: &str) -> Result<PathBuf> {
        let path = self.home.folder().join("run").join(name);
        files::create_folder(path.parent().unwrap_or(Path::new("/")))?;
        files::replace(&path, content.as_bytes())?;
        Ok(path)
    }
}
