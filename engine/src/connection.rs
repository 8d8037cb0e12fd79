//! A connection prepared for one request: its own, or its session's, with the request's database and settings.

use crate::database::Database;
use crate::exception::Exception;
use crate::ffi::Connection;
use crate::request::QueryRequest;
use crate::session::{Lease, Sessions};

/// The connection a request runs on.
pub(crate) enum Prepared<'a> {
    /// Made for the request and closed after it, so settings cannot outlive it.
    Own(Connection),
    /// A session's, with what has to be set back after the request.
    Session { lease: Lease<'a>, before: Vec<String> },
}

impl<'a> Prepared<'a> {
    /// Gets a connection and applies database and settings.
    ///
    /// # Errors
    /// The engine's: an unknown database or setting; or the session is locked.
    pub(crate) fn new(database: &Database, sessions: &'a Sessions, request: &QueryRequest) -> Result<Self, Exception> {
        let Some(session) = &request.session else {
            let mut connection = database.connect()?;
            apply(&mut connection, request)?;
            return Ok(Self::Own(connection));
        };
        let mut lease = sessions.lease(session, || database.connect())?;
        let mut before = Vec::new();
        if let Some(connection) = lease.connection() {
            before = snapshot(connection, request)?;
            if let Err(error) = apply(connection, request) {
                // The session goes on as it was before the request.
                if restore(connection, &before).is_ok() {
                    lease.keep();
                }
                return Err(error);
            }
        }
        Ok(Self::Session { lease, before })
    }

    /// The connection itself.
    pub(crate) fn connection(&mut self) -> Option<&mut Connection> {
        match self {
            Self::Own(connection) => Some(connection),
            Self::Session { lease, .. } => lease.connection(),
        }
    }

    /// Ends the request's use of it. A session whose settings cannot be set back ends.
    pub(crate) fn release(self) {
        if let Self::Session { mut lease, before } = self {
            let restored = lease.connection().is_some_and(|connection| restore(connection, &before).is_ok());
            if restored {
                lease.keep();
            }
        }
    }
}

fn apply(connection: &mut Connection, request: &QueryRequest) -> Result<(), Exception> {
    if let Some(database) = &request.database {
        run(connection, &format!("USE {}", quoted_name(database)))?;
    }
    let mut changes: Vec<String> =
        request.settings.iter().map(|(name, value)| format!("{name} = {}", quoted_text(value))).collect();
    if !request.settings.iter().any(|(name, _)| name == "log_comment") {
        // The engine's query ids are its own: this is how a statement in `system.processes` shows the request's.
        changes.push(format!("log_comment = {}", quoted_text(&request.query_id)));
    }
    run(connection, &format!("SET {}", changes.join(", ")))
}

/// The statements that undo what [`apply`] is about to do.
fn snapshot(connection: &mut Connection, request: &QueryRequest) -> Result<Vec<String>, Exception> {
    let mut undo = Vec::new();
    if request.database.is_some() {
        let current = text(connection, "SELECT currentDatabase()")?;
        undo.push(format!("USE {}", quoted_name(current.trim_end())));
    }
    for (name, _) in &request.settings {
        // Escaped as TSV, which is how a literal is escaped.
        let changed = text(
            connection,
            &format!("SELECT value FROM system.settings WHERE changed AND name = '{name}' FORMAT TSV"),
        )?;
        undo.push(match changed.strip_suffix('\n') {
            Some(value) => format!("SET {name} = '{value}'"),
            None => format!("SET {name} = DEFAULT"),
        });
    }
    Ok(undo)
}

fn restore(connection: &mut Connection, undo: &[String]) -> Result<(), Exception> {
    undo.iter().try_for_each(|statement| run(connection, statement))
}

fn run(connection: &mut Connection, sql: &str) -> Result<(), Exception> {
    text(connection, sql).map(drop)
}

fn text(connection: &mut Connection, sql: &str) -> Result<String, Exception> {
    let result = connection.query(sql.as_bytes(), "TSVRaw", &[]);
    match result.error() {
        Some(error) => Err(Exception::from_engine(&error)),
        None => Ok(String::from_utf8_lossy(result.bytes()).into_owned()),
    }
}

/// A name as an identifier.
fn quoted_name(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

/// A text as a literal.
fn quoted_text(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_cannot_break_out() {
        assert_eq!(quoted_name("a`; DROP TABLE t; \\"), "`a\\`; DROP TABLE t; \\\\`");
        assert_eq!(quoted_text("it's \\' x"), "'it\\'s \\\\\\' x'");
    }
}
