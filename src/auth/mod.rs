//! Who may do what: a principal, and one decision for each action.

use std::sync::Arc;

use crate::config::{Anonymous, Auth};
use crate::oci::Access;

/// Who sends a request, as far as it was proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    name: Arc<str>,
}

impl Principal {
    /// A client that shows no credentials.
    pub fn anonymous() -> Self {
        Self { name: "anonymous".into() }
    }

    /// As it stands in commits and logs.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }
}

/// The answer to "may this principal do that?".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Allow,
    /// With the rule that forbids it, for the client.
    Deny(&'static str),
}

/// Who may do what on this server.
#[derive(Clone, Debug)]
pub struct Policy {
    anonymous: Anonymous,
    is_local_only: bool,
}

impl Policy {
    /// With nothing configured everybody may do everything: `Settings::violations` keeps such a server on loopback, and
    /// [`Policy::is_local_only`] tells it to answer local requests alone.
    pub fn new(auth: &Auth) -> Self {
        Self {
            anonymous: auth.anonymous.unwrap_or(Anonymous::Write),
            is_local_only: auth.anonymous.is_none(),
        }
    }

    /// Whether nothing says who may do what, so that only requests from this machine to a loopback name are answered.
    pub fn is_local_only(&self) -> bool {
        self.is_local_only
    }

    /// The only place where access is decided. Every principal is anonymous as long as nobody can log in.
    pub fn decide(&self, _: &Principal, access: Access) -> Decision {
        match (self.anonymous, access) {
            (Anonymous::Write, _) | (_, Access::Ping | Access::Read | Access::Catalog) => Decision::Allow,
            (Anonymous::Read, Access::Write | Access::Delete) => {
                Decision::Deny("this registry lets anonymous clients read only (auth.anonymous: read)")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anonymous_clients_do_what_the_setting_says() {
        use Access::{Catalog, Delete, Ping, Read, Write};
        let reads = [Ping, Catalog, Read];
        let changes = [Write, Delete];
        for (anonymous, may_change) in
            [(None, true), (Some(Anonymous::Write), true), (Some(Anonymous::Read), false)]
        {
            let policy = Policy::new(&Auth { anonymous });
            assert_eq!(policy.is_local_only(), anonymous.is_none());
            let allowed = |access| policy.decide(&Principal::anonymous(), access) == Decision::Allow;
            assert!(reads.into_iter().all(allowed), "{anonymous:?}");
            for access in changes {
                assert_eq!(allowed(access), may_change, "{anonymous:?} {access:?}");
            }
        }
    }

    #[test]
    fn a_refusal_names_the_setting() {
        let policy = Policy::new(&Auth { anonymous: Some(Anonymous::Read) });
        let decision = policy.decide(&Principal::anonymous(), Access::Write);
        assert!(matches!(decision, Decision::Deny(rule) if rule.contains("auth.anonymous: read")));
    }
}
