//! The one store of a run. Requests to it take effect when the scheduler says so: on a map, or through a real backend.

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;

use bytes::Bytes;

use crate::backend::{BackendError, Create, Key};
use crate::journal::machine::{Action, Event, Ticket};

#[derive(Default)]
pub struct Store {
    /// What is stored; with a service, what was there when it was looked at last.
    objects: BTreeMap<Key, Bytes>,
    /// What requests have created since somebody asked.
    landed: Vec<(Key, Bytes)>,
    service: Option<Box<dyn Service>>,
}

/// A real backend and what stands behind it, which can be seen and changed without a request.
pub trait Service {
    fn ask(&mut self, request: &Request) -> Reply;
    fn objects(&self) -> BTreeMap<Key, Bytes>;
    fn put(&mut self, key: &Key, body: &Bytes);
    fn remove(&mut self, key: &Key);
    /// Ends its faults; what is still on its way arrives.
    fn clear_up(&mut self);
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
    #[cfg(feature = "s3")]
    pub fn over(service: impl Service + 'static) -> Self {
        Self { service: Some(Box::new(service)), ..Self::default() }
    }

    pub fn get(&self, key: &Key) -> Option<&Bytes> {
        self.objects.get(key)
    }

    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.objects.keys()
    }

    pub fn remove(&mut self, key: &Key) {
        self.objects.remove(key);
        if let Some(service) = &mut self.service {
            service.remove(key);
        }
    }

    /// Creates what no machine has asked for.
    pub fn put(&mut self, key: &Key, body: &Bytes) {
        if self.create(key, body) == Create::Created
            && let Some(service) = &mut self.service
        {
            service.put(key, body);
        }
    }

    /// Lets a request take effect.
    pub fn answer(&mut self, request: &Request) -> Reply {
        if let Some(service) = &mut self.service {
            let reply = service.ask(request);
            self.look();
            return reply;
        }
        match request {
            Request::Read { key } => Reply::Read(self.read(key)),
            Request::List { prefix, after, limit } => Reply::Listed(Ok(self.list(prefix, after, *limit))),
            Request::Create { key, body } => {
                let outcome = self.create(key, body);
                if outcome == Create::Created {
                    self.landed.push((key.clone(), body.clone()));
                }
                Reply::Created(Ok(outcome))
            }
        }
    }

    /// Ends the faults of its own.
    pub fn clear_up(&mut self) {
        if let Some(service) = &mut self.service {
            service.clear_up();
            self.look();
        }
    }

    /// What requests have created since this was called last, whoever waited for them; in the order of keys if there is
    /// more than one.
    pub fn landed(&mut self) -> Vec<(Key, Bytes)> {
        std::mem::take(&mut self.landed)
    }

    pub fn read(&self, key: &Key) -> Result<Bytes, BackendError> {
        self.get(key).cloned().ok_or_else(|| BackendError::NotFound(key.clone()))
    }

    fn create(&mut self, key: &Key, body: &Bytes) -> Create {
        if self.objects.contains_key(key) {
            return Create::AlreadyExists;
        }
        self.objects.insert(key.clone(), body.clone());
        Create::Created
    }

    fn list(&self, prefix: &str, after: &str, limit: usize) -> Vec<Key> {
        let start = if after < prefix { Bound::Included(prefix) } else { Bound::Excluded(after) };
        let from_start = self.objects.range::<str, _>((start, Bound::Unbounded)).map(|(key, _)| key);
        from_start.take_while(|key| key.as_str().starts_with(prefix)).take(limit).cloned().collect()
    }

    /// Sees what is new behind the service, or different.
    fn look(&mut self) {
        let Some(service) = &self.service else { return };
        let before = std::mem::replace(&mut self.objects, service.objects());
        let new = self.objects.iter().filter(|(key, body)| before.get(*key) != Some(*body));
        self.landed.extend(new.map(|(key, body)| (key.clone(), body.clone())));
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
