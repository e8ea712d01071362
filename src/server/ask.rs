//! A request on its way to its answer, as the faces take it.

use std::sync::Arc;

use actix_http::RequestHead;

use super::Services;
use super::body::RequestBody;
use super::error::Failure;
use super::exchange::X_REQUEST_ID;
use crate::auth::{Decision, Principal};
use crate::journal::{PrincipalName, Via};
use crate::oci::{Access, Action};
use crate::registry::{Actor, Registry};

pub(super) struct Ask<'a> {
    pub(super) services: &'a Services,
    pub(super) head: &'a RequestHead,
    pub(super) body: &'a mut RequestBody,
    /// The request id.
    pub(super) id: &'a str,
    pub(super) principal: Principal,
}

impl Ask<'_> {
    pub(super) fn registry(&self) -> &Arc<Registry> {
        &self.services.registry
    }

    /// For the audit trail.
    pub(super) fn who(&self) -> Actor {
        let (by, call) = (PrincipalName::new(self.principal.name()), self.registry().new_call());
        let given = self.head.headers.get(X_REQUEST_ID);
        let is_given = given.is_some_and(|given| given.as_bytes() == self.id.as_bytes());
        // What a client names its request by is no evidence: it may repeat.
        let (request, client_request) = match is_given {
            true => (call.simple().to_string().into(), Some(self.id.into())),
            false => (self.id.into(), None),
        };
        Actor { by, via: Via::Anonymous, request, client_request, call }
    }

    /// Whether the principal may do `action`, and the server do it now: asked once, before any face is.
    pub(super) fn admit(&self, action: &Action) -> Result<(), Failure> {
        self.permit(action.access())?;
        let changes = matches!(action.access(), Access::Write | Access::Delete);
        match changes && self.services.settings.storage.read_only {
            true => Err(Failure::ReadOnly),
            false => Ok(()),
        }
    }

    /// Whether the principal could push here now.
    pub(super) fn may_change(&self) -> bool {
        self.permit(Access::Write).is_ok() && !self.services.settings.storage.read_only
    }

    pub(super) fn permit(&self, access: Access) -> Result<(), Failure> {
        match self.services.policy.decide(&self.principal, access) {
            Decision::Allow => Ok(()),
            Decision::Deny(rule) => Err(Failure::Denied(rule)),
        }
    }
}
