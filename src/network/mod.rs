//! What every outgoing connection of this program keeps to: which certificates it trusts, and which proxy it goes through.

mod failure;
mod proxy;
mod tls;

pub use failure::{causes, failure_reason, without_number};
pub use proxy::{Proxy, ProxyRules, ProxyVariables, Route};
pub use tls::{CertificateFault, Identity, Trust, certificate_fault, certificates, client_config, tls_error};
