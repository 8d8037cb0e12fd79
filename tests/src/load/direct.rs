//! A client on Kafka: the official Python one, which keeps books of its own.

use crate::python;
use std::{
    io,
    path::{Path, PathBuf},
    process::{Child, Stdio},
};

/// A producer that goes on until it is stopped.
pub struct Direct {
    child: Child,
    books: PathBuf,
}

/// Whom it writes to.
#[derive(Debug, Clone)]
pub struct DirectPlan {
    /// The broker, as `host:port`.
    pub brokers: String,
    /// Base of the registry's Confluent API.
    pub registry: String,
    /// Put before the names of topics.
    pub prefix: String,
    /// Records a second.
    pub rate: u64,
    /// What records are made from.
    pub seed: u64,
}

impl Direct {
    /// Starts it.
    ///
    /// # Errors
    /// When the interpreter cannot be run.
    pub fn start(plan: &DirectPlan, books: &Path) -> io::Result<Self> {
        let mut command = python::script("clients/direct.py");
        command.args([&plan.brokers, &plan.registry, &plan.prefix, &plan.rate.to_string(), &plan.seed.to_string()]);
        let child = command.arg(books).stdin(Stdio::piped()).spawn()?;
        Ok(Self { child, books: books.to_owned() })
    }

    /// Its books.
    pub fn books(&self) -> &Path {
        &self.books
    }

    /// Lets it end when everything it has written is acknowledged.
    ///
    /// # Errors
    /// When it fails, or was never acknowledged.
    pub fn stop(mut self) -> io::Result<()> {
        // The end of its input is what it waits for.
        drop(self.child.stdin.take());
        let status = self.child.wait()?;
        if status.success() {
            Ok(())
        } else {
            Err(io::Error::other(format!("the direct producer ended with {status}")))
        }
    }
}

impl Drop for Direct {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
