//! Real clients and the public conformance program against the real server process: Helm with its plugin cm-push, oras, crane,
//! regctl, skopeo, and the code of Flux, Argo CD and Renovate.

mod cm_push;
mod conformance;
mod copiers;
mod crane;
mod differential;
mod gitops;
pub mod helm;
mod helm_constraints;
mod helm_large_index;
pub mod helm_metadata;
mod helm_provenance;
mod helm_repository;
mod helm_resolve;
mod helm_versions;
mod oras;
mod path_prefix;
mod proxy;
mod s3_costs;
mod s3_fleet;

/// Runs each case with Helm 4 and with Helm 3, as tests of their own.
macro_rules! with_each_helm {
    ($($case:ident),+ $(,)?) => {
        mod helm_4 {
            $(#[test] fn $case() { if let Some(helm) = crate::clients::helm::Helm::find(4) { super::$case(&helm) } })+
        }
        mod helm_3 {
            $(#[test] fn $case() { if let Some(helm) = crate::clients::helm::Helm::find(3) { super::$case(&helm) } })+
        }
    };
}
pub(crate) use with_each_helm;
