//! The fetched parts: Kafka's jars, the registry, the ClickHouse engine and ONNX Runtime, where `make parts` put them.

use std::env;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::home::cache_folder;
use crate::{Error, Result};

/// What is pinned, shared with the scripts that fetch it.
const PINNED: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/local/versions"));

/// The pinned versions of the parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// Apache Kafka.
    pub kafka: String,
    /// Apicurio Registry.
    pub registry: String,
    /// libchdb, the ClickHouse engine.
    pub clickhouse: String,
    /// ONNX Runtime, which runs models. Stacks of earlier versions had none.
    #[serde(default)]
    pub onnxruntime: String,
}

/// Paths of the fetched parts, each seen to exist.
#[derive(Clone, Debug)]
pub struct Parts {
    java: PathBuf,
    kafka_jars: PathBuf,
    registry_jar: PathBuf,
    libchdb: PathBuf,
}

impl Parts {
    /// Finds the parts in the cache of this clone, or in `MILLRACE_CACHE`.
    ///
    /// # Errors
    /// [`Error::PartMissing`] and [`Error::JavaMissing`] say how to get what is missing.
    pub fn find() -> Result<Self> {
        Self::find_in(&cache_folder().join("parts"))
    }

    /// Finds the parts in a folder laid out as `make parts` does.
    ///
    /// # Errors
    /// As [`Parts::find`].
    pub fn find_in(folder: &Path) -> Result<Self> {
        let versions = Self::versions();
        let kafka_jars = folder.join("kafka/lib");
        let broker_jar = kafka_jars.join(format!("kafka_2.13-{}.jar", versions.kafka));
        existing("Kafka's broker", broker_jar)?;
        let runner = format!("registry/apicurio-registry-app-{}-runner.jar", versions.registry);
        let registry_jar = existing("the schema registry", folder.join(runner))?;
        let libchdb = existing("the ClickHouse engine (libchdb)", folder.join("libchdb/libchdb.so"))?;
        Ok(Self { java: find_java().ok_or(Error::JavaMissing)?, kafka_jars, registry_jar, libchdb })
    }

    /// ONNX Runtime's shared library: what `ORT_DYLIB_PATH` names, else the fetched part. Only models need it.
    ///
    /// # Errors
    /// [`Error::PartMissing`] says how to get it.
    pub fn onnxruntime() -> Result<PathBuf> {
        let named = env::var_os("ORT_DYLIB_PATH").filter(|value| !value.is_empty());
        let fetched = || cache_folder().join("parts/onnxruntime/libonnxruntime.so");
        existing("ONNX Runtime, which runs models,", named.map_or_else(fetched, PathBuf::from))
    }

    /// The versions that are pinned.
    pub fn versions() -> Versions {
        let pinned = |name: &str| {
            let value = PINNED.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            value.unwrap_or_default().to_owned()
        };
        Versions {
            kafka: pinned("KAFKA_VERSION"),
            registry: pinned("REGISTRY_VERSION"),
            clickhouse: pinned("LIBCHDB_VERSION"),
            onnxruntime: pinned("ONNXRUNTIME_VERSION"),
        }
    }

    /// The Java to run the JVM parts with: of `JAVA_HOME`, else of the path.
    pub fn java(&self) -> &Path {
        &self.java
    }

    /// The folder of the broker's jars.
    pub fn kafka_jars(&self) -> &Path {
        &self.kafka_jars
    }

    /// The registry's runnable jar.
    pub fn registry_jar(&self) -> &Path {
        &self.registry_jar
    }

    /// The ClickHouse engine's shared library.
    pub fn libchdb(&self) -> &Path {
        &self.libchdb
    }
}

fn existing(what: &'static str, path: PathBuf) -> Result<PathBuf> {
    if path.is_file() { Ok(path) } else { Err(Error::PartMissing { what, path }) }
}

fn find_java() -> Option<PathBuf> {
    let of_home = env::var_os("JAVA_HOME").map(|home| Path::new(&home).join("bin"));
    let of_path = env::var_os("PATH").map(|path| env::split_paths(&path).collect::<Vec<_>>()).unwrap_or_default();
    of_home.into_iter().chain(of_path).map(|folder| folder.join("java")).find(|java| java.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_has_a_pinned_version() {
        let versions = Parts::versions();
        for version in [versions.kafka, versions.registry, versions.clickhouse, versions.onnxruntime] {
            assert!(version.starts_with(|c: char| c.is_ascii_digit()), "{version:?}");
        }
    }

    #[test]
    fn a_missing_part_is_named_with_what_to_do() {
        let empty = tempfile::tempdir().unwrap();
        let message = Parts::find_in(empty.path()).unwrap_err().to_string();
        assert!(message.starts_with("Kafka's broker is not in "), "{message}");
        assert!(message.contains("make parts"), "{message}");
    }
}
