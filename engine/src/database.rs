//! The opened engine: gives connections, knows its formats, and stops statements.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::config::EngineConfig;
use crate::datadir::DataDir;
use crate::error::EngineError;
use crate::exception::{Exception, code};
use crate::ffi::{Connection, Engine};

/// What the embedded engine allows and a server does not.
const SERVERS_DEFAULTS: [&str; 2] = ["--implicit_select=0", "--allow_introspection_functions=0"];

/// A format of results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OutputFormat {
    /// Its name as the engine writes it.
    pub(crate) name: String,
    /// Its `Content-Type`.
    pub(crate) content_type: String,
}

/// An opened database directory.
pub(crate) struct Database {
    engine: &'static Engine,
    arguments: Vec<CString>,
    /// Keeps the engine running while no request has a connection, and carries `KILL QUERY`.
    control: Mutex<Connection>,
    version: String,
    timezone: String,
    host_name: String,
    /// By name in lower case: the engine takes names in any case.
    formats: BTreeMap<String, OutputFormat>,
}

impl Database {
    /// Loads the library and opens the directory.
    pub(crate) fn open(config: &EngineConfig, directory: &DataDir) -> Result<Self, EngineError> {
        let load = Engine::load(&config.library);
        let engine = load.map_err(|source| EngineError::Library { path: config.library.clone(), source })?;
        let arguments = arguments(config, &directory.database(), &directory.config_file())?;
        let connect = engine.connect(&arguments);
        let mut control = connect.ok_or_else(|| EngineError::Open { path: directory.database() })?;
        let about = rows(&mut control, "SELECT version(), timezone(), hostName()")?;
        let [version, timezone, host_name] =
            about.first().and_then(|row| row.clone().try_into().ok()).unwrap_or_default();
        let formats = rows(&mut control, "SELECT name, content_type FROM system.formats WHERE is_output")?;
        let formats = formats.into_iter().filter_map(|row| {
            let [name, content_type] = row.try_into().ok()?;
            Some((name.to_lowercase(), OutputFormat { name, content_type }))
        });
        Ok(Self {
            engine,
            arguments,
            control: Mutex::new(control),
            version,
            timezone,
            host_name,
            formats: formats.collect(),
        })
    }

    /// A new session of the engine. Costs about 0.1 ms, so each request has its own and nothing leaks between them.
    pub(crate) fn connect(&self) -> Result<Connection, Exception> {
        let connection = self.engine.connect(&self.arguments);
        connection.ok_or_else(|| Exception::new(code::LOGICAL_ERROR, "the engine gave no connection"))
    }

    /// Version of the engine.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// The engine's time zone.
    pub(crate) fn timezone(&self) -> &str {
        &self.timezone
    }

    /// Name of the machine.
    pub(crate) fn host_name(&self) -> &str {
        &self.host_name
    }

    /// Looks up a format that results can be written in.
    pub(crate) fn format(&self, name: &str) -> Result<&OutputFormat, Exception> {
        let format = self.formats.get(&name.to_lowercase());
        format.ok_or_else(|| {
            Exception::new(code::UNKNOWN_FORMAT, format_args!("Unknown format {}", name.escape_default()))
        })
    }

    /// Stops whatever statement runs on a thread of this process; the thread then gets an exception from it.
    pub(crate) fn kill(&self, thread: i32) {
        // The engine has ids of its own for queries, but it lists the threads of each.
        let sql = format!("KILL QUERY WHERE has(thread_ids, {thread}) ASYNC FORMAT Null");
        let mut control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = control.query(sql.as_bytes(), "Null", &[]).error() {
            tracing::warn!(code = Exception::from_engine(&error).code(), "a statement could not be cancelled");
        }
    }
}

fn arguments(config: &EngineConfig, database: &Path, config_file: &Path) -> Result<Vec<CString>, EngineError> {
    let mut arguments = vec![
        "clickhouse".to_owned(),
        format!("--path={}", database.display()),
        format!("--config-file={}", config_file.display()),
    ];
    arguments.extend(SERVERS_DEFAULTS.iter().map(ToString::to_string));
    if let Some(bytes) = config.max_memory_bytes {
        arguments.push(format!("--max_server_memory_usage={bytes}"));
    }
    let strings = arguments.into_iter().map(CString::new).collect::<Result<_, _>>();
    strings.map_err(|_| EngineError::Config("the data directory's path holds a NUL byte".to_owned()))
}

/// Runs a query about the engine itself; its values hold no tabs.
fn rows(connection: &mut Connection, sql: &str) -> Result<Vec<Vec<String>>, EngineError> {
    let result = connection.query(sql.as_bytes(), "TSVRaw", &[]);
    if let Some(error) = result.error() {
        return Err(EngineError::Engine(error));
    }
    let text = String::from_utf8_lossy(result.bytes()).into_owned();
    Ok(text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect())
}
