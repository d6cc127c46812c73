//! Who is there.

use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use super::client::Client;

/// Each has a thread that reads.
const MOST_CLIENTS: usize = 256;

#[derive(Debug, Default)]
pub(super) struct House {
    guests: Mutex<Guests>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Guests {
    clients: Vec<Arc<Client>>,
    is_closed: bool,
}

impl House {
    /// False if nobody is let in any more, or too many are there.
    pub(super) fn enter(&self, client: &Arc<Client>) -> bool {
        let mut guests = self.guests.lock();
        let has_room = !guests.is_closed && guests.clients.len() < MOST_CLIENTS;
        if has_room {
            guests.clients.push(client.clone());
        }
        has_room
    }

    pub(super) fn leave(&self, client: &Arc<Client>) {
        let mut guests = self.guests.lock();
        guests.clients.retain(|other| !Arc::ptr_eq(other, client));
        self.changed.notify_all();
    }

    /// From now on nobody is let in, and nothing more is taken from those who are there.
    pub(super) fn close(&self) {
        let mut guests = self.guests.lock();
        guests.is_closed = true;
        for client in &guests.clients {
            client.close();
        }
        self.changed.notify_all();
    }

    /// Cancels all statements.
    pub(super) fn cancel(&self) {
        for client in &self.guests.lock().clients {
            client.cancel(|_| true);
        }
    }

    pub(super) fn wait_until_closed_and_empty(&self) {
        let mut guests = self.guests.lock();
        while !guests.is_closed || !guests.clients.is_empty() {
            self.changed.wait(&mut guests);
        }
    }
}
