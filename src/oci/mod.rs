//! The pure vocabulary of OCI distribution: digests, names, tags, manifests, errors, ranges and the route of a request.
//! No I/O, no async.

#[macro_use]
mod text;

mod chart_file;
mod conditions;
mod descriptor;
mod digest;
mod error;
mod hasher;
pub mod json;
mod json_fault;
mod manifest;
mod media_type;
mod name;
mod pattern;
mod range;
mod reference;
mod referrers;
mod route;
mod tag;

pub use chart_file::ChartFile;
pub use conditions::{Condition, EtagSet, InvalidEntityTag, is_named};
pub use descriptor::Descriptor;
pub use digest::{Algorithm, Digest, InvalidDigest};
pub use error::{ErrorCode, error_body};
pub use hasher::Hasher;
pub use json::InvalidJson;
pub use json_fault::json_fault;
pub use manifest::{Kind, MAX_MANIFEST_BYTES, MAX_REFERENCES, Manifest, ManifestError};
pub use media_type::{
    ARTIFACT_HUB_CONFIG, ARTIFACT_HUB_LAYER, DOCKER_LIST, DOCKER_MANIFEST, HELM_CHART, HELM_CHART_LEGACY,
    HELM_CONFIG, HELM_PROVENANCE, InvalidMediaType, MediaType, OCI_EMPTY, OCI_INDEX, OCI_MANIFEST,
};
pub use name::{InvalidName, Namespace, RepositoryName};
pub use pattern::{InvalidNamespacePattern, InvalidPattern, NamespacePattern, TagPattern};
pub use range::{InvalidUploadRange, RangeRequest, UploadRange};
pub use reference::{InvalidReference, Reference};
pub use referrers::referrers_index;
pub use route::{
    Access, Action, ApiAction, KINDS, Like, MAX_PAGE, MAX_TAGS_PAGE, MuseumAction, Page, Reason, Refusal,
    View, below_api, below_v2, route, without_extra_slashes,
};
pub use tag::{InvalidTag, Tag};
