//! Sessions: a client that names one (`session_id`) finds its settings and temporary tables again.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::exception::{Exception, code};
use crate::ffi::Connection;
use crate::request::SessionRequest;

/// The connections of sessions between their requests.
pub(crate) struct Sessions {
    limit: usize,
    by_id: Mutex<BTreeMap<String, Slot>>,
}

enum Slot {
    /// A request of the session is running.
    Busy,
    Idle {
        connection: Connection,
        expires: Instant,
    },
}

impl Sessions {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, by_id: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Slot>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a session's connection, or makes one by `connect`. The session is locked until the lease ends.
    pub(crate) fn lease(
        &self,
        request: &SessionRequest,
        connect: impl FnOnce() -> Result<Connection, Exception>,
    ) -> Result<Lease<'_>, Exception> {
        self.expire(Instant::now());
        let mut sessions = self.lock();
        let lease = |connection| Lease { sessions: self, request: request.clone(), connection: Some(connection) };
        match sessions.insert(request.id.clone(), Slot::Busy) {
            Some(Slot::Idle { connection, .. }) => Ok(lease(connection)),
            Some(Slot::Busy) => {
                Err(Exception::new(code::SESSION_IS_LOCKED, "Session is locked by a concurrent client"))
            }
            None => {
                let refused = if request.must_exist {
                    Some(Exception::new(code::SESSION_NOT_FOUND, "Session not found"))
                } else if sessions.len() > self.limit {
                    Some(Exception::new(
                        code::USER_SESSION_LIMIT_EXCEEDED,
                        format_args!("more than {} sessions are open", self.limit),
                    ))
                } else {
                    None
                };
                let connected = refused.map_or_else(connect, Err);
                if connected.is_err() {
                    sessions.remove(&request.id);
                }
                drop(sessions);
                connected.map(lease)
            }
        }
    }

    /// Ends sessions that nobody came back to.
    pub(crate) fn expire(&self, now: Instant) {
        let expired: Vec<Slot> = {
            let mut sessions = self.lock();
            sessions
                .extract_if(.., |_, slot| matches!(slot, Slot::Idle { expires, .. } if *expires <= now))
                .map(|(_, slot)| slot)
                .collect()
        };
        // Closing a connection may take the engine a while: not under the lock.
        drop(expired);
    }

    /// Ends all sessions that are idle.
    pub(crate) fn clear(&self) {
        let all = std::mem::take(&mut *self.lock());
        drop(all);
    }
}

/// A session's connection while a request uses it. Goes back when [`keep`](Self::keep) is called; else the session ends.
pub(crate) struct Lease<'a> {
    sessions: &'a Sessions,
    request: SessionRequest,
    connection: Option<Connection>,
}

impl Lease<'_> {
    pub(crate) fn connection(&mut self) -> Option<&mut Connection> {
        self.connection.as_mut()
    }

    /// Gives the connection back for the session's next request.
    pub(crate) fn keep(mut self) {
        if self.request.close {
            return;
        }
        if let Some(connection) = self.connection.take() {
            let idle = Slot::Idle { connection, expires: Instant::now() + self.request.timeout };
            self.sessions.lock().insert(self.request.id.clone(), idle);
        }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if self.connection.take().is_some() {
            self.sessions.lock().remove(&self.request.id);
        }
    }
}
