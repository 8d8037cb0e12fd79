//! How much may be in flight. What does not fit is refused at once, before it takes memory.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What there is no room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// Another request.
    Requests,
    /// More bytes.
    Bytes,
}

/// Room for requests and for their bytes.
#[derive(Debug)]
pub(crate) struct Admission {
    requests: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    bytes_max: usize,
}

impl Admission {
    pub fn new(requests_max: usize, bytes_max: usize) -> Self {
        let bytes_max = bytes_max.min(Semaphore::MAX_PERMITS);
        let requests = Arc::new(Semaphore::new(requests_max.min(Semaphore::MAX_PERMITS)));
        Self { requests, bytes: Arc::new(Semaphore::new(bytes_max)), bytes_max }
    }

    /// Room for one request, until the charge is dropped.
    pub fn enter(&self) -> Result<Charge, Full> {
        let request = Arc::clone(&self.requests).try_acquire_owned().map_err(|_| Full::Requests)?;
        Ok(Charge { _request: request, bytes: Arc::clone(&self.bytes), held: None })
    }

    /// Bytes charged to requests now.
    pub fn bytes_in_flight(&self) -> usize {
        self.bytes_max - self.bytes.available_permits()
    }
}

/// What one request takes; given back when dropped.
#[derive(Debug)]
pub(crate) struct Charge {
    _request: OwnedSemaphorePermit,
    bytes: Arc<Semaphore>,
    held: Option<OwnedSemaphorePermit>,
}

impl Charge {
    /// Takes room for more bytes.
    pub fn grow(&mut self, bytes: usize) -> Result<(), Full> {
        let wanted = u32::try_from(bytes).map_err(|_| Full::Bytes)?;
        let more = Arc::clone(&self.bytes).try_acquire_many_owned(wanted).map_err(|_| Full::Bytes)?;
        match &mut self.held {
            Some(held) => held.merge(more),
            None => self.held = Some(more),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_until_room_is_given_back() {
        let admission = Admission::new(2, 100);
        let mut first = admission.enter().expect("room");
        assert_eq!(first.grow(60), Ok(()));
        let mut second = admission.enter().expect("room");
        assert_eq!(second.grow(60), Err(Full::Bytes));
        assert_eq!(admission.enter().err(), Some(Full::Requests));
        assert_eq!(admission.bytes_in_flight(), 60);
        drop(first);
        assert_eq!(second.grow(100), Ok(()));
    }
}
