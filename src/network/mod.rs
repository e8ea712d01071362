//! What every outgoing connection of this program keeps to: which certificates it trusts, and which proxy it goes through.

mod proxy;
mod tls;

pub use proxy::{Proxy, ProxyRules, ProxyVariables, Route};
pub use tls::{CertificateFault, Identity, Trust, certificate_fault, certificates, client_config, tls_error};
