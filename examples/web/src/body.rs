//! Bodies of requests: read to their end, but not for ever, and not all at once.
//!
//! The bytes of all bodies that are held come out of one purse: a body pays for its whole length before it is read (one that does not tell it,
//! for the longest there may be), and is paid back when its work has ended. So a crowd that uploads slowly cannot fill the memory.
//!
//! A request is refused before its body was read, if it must be. Who closed the connection then would also tear the refusal from a
//! client that is still sending: so the rest is read and dropped for a while, behind the answer.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::refusal::Refusal;

/// What is read of a refused body at most.
const LINGER_BYTES: usize = 32 << 20;
const LINGER_TIME: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Purse {
    bytes: Arc<Semaphore>,
    longest: u32,
}

/// What a body has paid; given back when this is dropped.
pub(crate) type Paid = OwnedSemaphorePermit;

impl Purse {
    pub(crate) fn new(bytes: usize, longest: u32) -> Self {
        let bytes = Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS)));
        Self { bytes, longest }
    }

    /// Pays for a body with such headers.
    pub(crate) fn pay(&self, headers: &HeaderMap) -> Result<Paid, Refusal> {
        let length = match length(headers) {
            None => self.longest,
            Some(length) => match u32::try_from(length) {
                Ok(length) if length <= self.longest => length,
                _ => return Err(Refusal::TooLong(self.longest)),
            },
        };
        let paid = self.bytes.clone().try_acquire_many_owned(length);
        paid.map_err(|_| Refusal::Full)
    }

    /// Reads a body that was paid for.
    pub(crate) async fn read(&self, body: &mut Body, paid: &Paid) -> Result<Vec<u8>, Refusal> {
        let most = paid.num_permits();
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(most);
        let mut bytes = Vec::with_capacity(announced.min(most));
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Refusal::Wrong("the body broke off".to_owned()))?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            if bytes.len() + data.len() > most {
                return Err(Refusal::TooLong(self.longest));
            }
            bytes.extend_from_slice(&data);
        }
        Ok(bytes)
    }
}

/// How long a body says it is.
pub(crate) fn length(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(header::CONTENT_LENGTH)?.to_str().ok()?;
    text.parse().ok()
}

/// Reads the rest of a body that nobody wants, as far as that is worth it.
pub(crate) fn linger(mut body: Body) {
    if body.is_end_stream() {
        return;
    }
    let discard = async move {
        let mut left = LINGER_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, |data| data.len());
            match left.checked_sub(length) {
                Some(less) => left = less,
                None => break,
            }
        }
    };
    tokio::spawn(timeout(LINGER_TIME, discard));
}
