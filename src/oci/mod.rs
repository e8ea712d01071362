//! The pure vocabulary of OCI distribution: digests, names, tags, manifests, errors, ranges and the route of a request.
//! No I/O, no async.

mod conditions;
mod digest;
mod media_type;
mod name;
mod tag;

pub use conditions::{Condition, EtagSet};
pub use digest::{Algorithm, Digest, Hasher, InvalidDigest};
pub use media_type::{
    DOCKER_LIST, DOCKER_MANIFEST, HELM_CHART, HELM_CHART_LEGACY, HELM_CONFIG, HELM_PROVENANCE,
    InvalidMediaType, MediaType, OCI_EMPTY, OCI_INDEX, OCI_MANIFEST,
};
pub use name::{InvalidName, MAX_NAME, Namespace, RepositoryName};
pub use tag::{InvalidReference, InvalidTag, Reference, Tag};
