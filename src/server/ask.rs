//! A request on its way to its answer, as the faces take it.

use std::sync::Arc;

use actix_http::RequestHead;

use super::Services;
use super::body::RequestBody;
use super::error::Failure;
use crate::auth::{Decision, Principal};
use crate::oci::{Access, Action};
use crate::registry::{Registry, Who};

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
    pub(super) fn who(&self) -> Who {
        Who { by: (**self.principal.name()).into(), request: self.id.into() }
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

    pub(super) fn permit(&self, access: Access) -> Result<(), Failure> {
        match self.services.policy.decide(&self.principal, access) {
            Decision::Allow => Ok(()),
            Decision::Deny(rule) => Err(Failure::Denied(rule)),
        }
    }
}
