//! The one store of a run. Requests to it take effect when the scheduler says so.

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;

use bytes::Bytes;

use crate::backend::{BackendError, Create, Key};
use crate::journal::machine::{Action, Event, Ticket};

#[derive(Default)]
pub struct Store {
    objects: BTreeMap<Key, Bytes>,
}

/// What a machine asks of the store.
#[derive(Clone)]
pub enum Request {
    Create { key: Key, body: Bytes },
    Read { key: Key },
    List { prefix: String, after: String, limit: usize },
}

pub enum Reply {
    Created(Result<Create, BackendError>),
    Read(Result<Bytes, BackendError>),
    Listed(Result<Vec<Key>, BackendError>),
}

impl Store {
    pub fn get(&self, key: &Key) -> Option<&Bytes> {
        self.objects.get(key)
    }

    pub fn remove(&mut self, key: &Key) {
        self.objects.remove(key);
    }

    pub fn create(&mut self, key: &Key, body: &Bytes) -> Create {
        if self.objects.contains_key(key) {
            return Create::AlreadyExists;
        }
        self.objects.insert(key.clone(), body.clone());
        Create::Created
    }

    pub fn read(&self, key: &Key) -> Result<Bytes, BackendError> {
        self.get(key).cloned().ok_or_else(|| BackendError::NotFound(key.clone()))
    }

    pub fn list(&self, prefix: &str, after: &str, limit: usize) -> Vec<Key> {
        let start = if after < prefix { Bound::Included(prefix) } else { Bound::Excluded(after) };
        let from_start = self.objects.range::<str, _>((start, Bound::Unbounded)).map(|(key, _)| key);
        from_start.take_while(|key| key.as_str().starts_with(prefix)).take(limit).cloned().collect()
    }
}

impl Request {
    /// The request of an action, unless the action is none.
    pub fn of(action: Action) -> Result<(Ticket, Self), Action> {
        match action {
            Action::Create { ticket, key, body } => {
                Ok((ticket, Self::Create { key, body: body.concat().into() }))
            }
            Action::Read { ticket, key } => Ok((ticket, Self::Read { key })),
            Action::List { ticket, prefix, after, limit } => {
                Ok((ticket, Self::List { prefix, after, limit }))
            }
            other => Err(other),
        }
    }

    pub fn is_create(&self) -> bool {
        matches!(self, Self::Create { .. })
    }

    /// The answer when something went wrong.
    pub fn failed(&self, error: BackendError) -> Reply {
        match self {
            Self::Create { .. } => Reply::Created(Err(error)),
            Self::Read { .. } => Reply::Read(Err(error)),
            Self::List { .. } => Reply::Listed(Err(error)),
        }
    }
}

impl Reply {
    pub fn event(self, ticket: Ticket) -> Event {
        match self {
            Self::Created(result) => Event::Created { ticket, result },
            Self::Read(result) => Event::Read { ticket, result },
            Self::Listed(result) => Event::Listed { ticket, result },
        }
    }
}

pub fn unavailable() -> BackendError {
    BackendError::Unavailable(io::ErrorKind::TimedOut.into())
}

pub fn full() -> BackendError {
    BackendError::Full(io::ErrorKind::StorageFull.into())
}
