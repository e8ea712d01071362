//! From method, raw path and raw query to one [`Action`]: routing, authorisation, metrics and audit all read it.
//!
//! Works on the raw path, without regular expressions: repository names contain slashes, and what a proxy and this
//! server might read differently (escaped slashes, empty components, dots) is refused.

mod api;
#[cfg(test)]
mod api_tests;
#[cfg(test)]
mod corpus;
mod escapes;
mod kinds;
mod museum;
mod plus;
mod query;
mod repository;
mod slashes;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use super::chart_file::ChartFile;
use super::digest::{Algorithm, Digest, InvalidDigest};
use super::error::ErrorCode;
use super::name::{Namespace, RepositoryName};
use super::reference::{InvalidReference, Reference};
use super::tag::Tag;
use query::Query;

pub use api::{ApiAction, Like, View, below_api};
pub use kinds::KINDS;
pub use museum::MuseumAction;
pub use query::Page;
pub use slashes::without_extra_slashes;

/// The most entries of a page. Renovate asks for 10,000 tags; a page of 10,000 tags stays under the 4 MiB that clients
/// read of one answer.
pub const MAX_TAGS_PAGE: usize = 10_000;
pub const MAX_PAGE: usize = 1_000;
/// The most tags that one manifest PUT may give.
const MAX_TAGS: usize = 100;
const MAX_PATH: usize = 1_024;
/// The methods of what is read only.
const READ: &[(&str, ())] = &[("GET", ()), ("HEAD", ())];

/// What a request asks for, with everything in it parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Ping,
    Catalog {
        page: Page,
    },
    Tags {
        repository: RepositoryName,
        page: Page,
    },
    Referrers {
        repository: RepositoryName,
        subject: Digest,
        artifact_type: Option<String>,
        page: Page,
    },
    GetManifest {
        repository: RepositoryName,
        reference: Reference,
    },
    HeadManifest {
        repository: RepositoryName,
        reference: Reference,
    },
    PutManifest {
        repository: RepositoryName,
        reference: Reference,
        tags: Vec<Tag>,
    },
    DeleteManifest {
        repository: RepositoryName,
        reference: Reference,
    },
    GetBlob {
        repository: RepositoryName,
        digest: Digest,
    },
    HeadBlob {
        repository: RepositoryName,
        digest: Digest,
    },
    DeleteBlob {
        repository: RepositoryName,
        digest: Digest,
    },
    StartUpload {
        repository: RepositoryName,
        mount: Option<Digest>,
        from: Option<RepositoryName>,
        digest: Option<Digest>,
        algorithm: Option<Algorithm>,
    },
    UploadStatus {
        repository: RepositoryName,
        session: String,
    },
    PatchUpload {
        repository: RepositoryName,
        session: String,
    },
    PutUpload {
        repository: RepositoryName,
        session: String,
        digest: Digest,
    },
    CancelUpload {
        repository: RepositoryName,
        session: String,
    },
    /// `index.yaml` of a chart repository.
    ChartIndex {
        namespace: Namespace,
    },
    /// A package or its signature, by the name that the index gives it.
    ChartFile {
        namespace: Namespace,
        file: ChartFile,
    },
    /// `artifacthub-repo.yml` of a chart repository.
    ArtifactHub {
        namespace: Namespace,
    },
    /// What this server is, for people.
    Home,
    /// Of the JSON API.
    Api(ApiAction),
    Museum(MuseumAction),
}

/// What an action does to a repository, for authorisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Ping,
    Catalog,
    Read,
    Write,
    Delete,
}

/// A request that is no action, with the rule that it broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub code: ErrorCode,
    pub reason: Reason,
    pub message: Cow<'static, str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    BadRequest,
    NotFound,
    /// The methods that the path has.
    MethodNotAllowed(&'static str),
    UriTooLong,
}

/// The action of a request. `path` and `query` are as they stand on the wire; `reserved` is the first component of
/// the health check's path, which no repository may have.
pub fn route(method: &str, path: &str, query: Option<&str>, reserved: &str) -> Result<Action, Refusal> {
    if let Some(rest) = below_api(path) {
        return api::route(method, path, rest, query, reserved);
    }
    let Some(rest) = below_v2(path) else { return elsewhere(method, path, query, reserved) };
    check_length(path)?;
    let rest = &*escapes::read(rest, escapes::OF_DIGESTS)?;
    let query = Query::parse(query)?;
    match rest {
        "" | "/" => method_of(method, READ, "GET, HEAD").map(|()| Action::Ping),
        "/_catalog" => {
            method_of(method, READ, "GET, HEAD")?;
            Ok(Action::Catalog { page: query.page(MAX_PAGE)? })
        }
        _ => in_repository(method, rest, &query, reserved),
    }
}

/// The action of a path that is not below `/v2`.
fn elsewhere(method: &str, path: &str, query: Option<&str>, reserved: &str) -> Result<Action, Refusal> {
    match below(path, "/api") {
        None if path == "/" => method_of(method, READ, "GET, HEAD").map(|()| Action::Home),
        None if path == "/info" => {
            method_of(method, READ, "GET, HEAD").map(|()| Action::Museum(MuseumAction::Info))
        }
        Some(rest) if !rest.ends_with("/index.yaml") => museum::route(method, path, rest, query, reserved),
        _ => repository::route(method, path, reserved),
    }
}

/// What stands behind `prefix` in a path, if the path is that or below it.
fn below<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    path.strip_prefix(prefix).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a path is one of the distribution API, and what stands behind `/v2` in it.
pub fn below_v2(path: &str) -> Option<&str> {
    below(path, "/v2")
}

fn check_length(path: &str) -> Result<(), Refusal> {
    match path.len() {
        0..=MAX_PATH => Ok(()),
        _ => Err(Refusal::uri_too_long(format!("a path has at most {MAX_PATH} characters"))),
    }
}

/// Actions are told apart from the end of the path: `blobs`, `tags` and so on are legal names, too.
fn in_repository(method: &str, rest: &str, query: &Query<'_>, reserved: &str) -> Result<Action, Refusal> {
    let unknown =
        || Refusal::not_found("no such path: the registry has blobs, manifests, tags and referrers");
    let (before, last) = rest.rsplit_once('/').ok_or_else(unknown)?;
    let (parent, kind) = before.rsplit_once('/').ok_or_else(unknown)?;
    let name = |text: &str| repository(text, reserved);
    if kind == "uploads"
        && let Some((owner, "blobs")) = parent.rsplit_once('/')
    {
        return if last.is_empty() {
            method_of(method, &[("POST", ())], "POST")?;
            start_upload(name(owner)?, query)
        } else {
            upload(method, name(owner)?, last, query)
        };
    }
    match (kind, last) {
        // Some clients leave the last slash away.
        ("blobs", "uploads") => {
            method_of(method, &[("POST", ())], "POST")?;
            start_upload(name(parent)?, query)
        }
        ("blobs", _) => blob(method, name(parent)?, last),
        ("manifests", _) => manifest(method, name(parent)?, last, query),
        ("tags", "list") => {
            method_of(method, READ, "GET, HEAD")?;
            Ok(Action::Tags { repository: name(parent)?, page: query.page(MAX_TAGS_PAGE)? })
        }
        ("referrers", _) => {
            method_of(method, READ, "GET, HEAD")?;
            Ok(Action::Referrers {
                repository: name(parent)?,
                subject: digest(last)?,
                artifact_type: query.get("artifactType").filter(|text| !text.is_empty()).map(str::to_owned),
                page: query.page(MAX_PAGE)?,
            })
        }
        _ => Err(unknown()),
    }
}

fn blob(method: &str, repository: RepositoryName, last: &str) -> Result<Action, Refusal> {
    enum To {
        Get,
        Head,
        Delete,
    }
    let methods = [("GET", To::Get), ("HEAD", To::Head), ("DELETE", To::Delete)];
    let to = method_of(method, &methods, "GET, HEAD, DELETE")?;
    let digest = digest(last)?;
    Ok(match to {
        To::Get => Action::GetBlob { repository, digest },
        To::Head => Action::HeadBlob { repository, digest },
        To::Delete => Action::DeleteBlob { repository, digest },
    })
}

fn manifest(
    method: &str,
    repository: RepositoryName,
    last: &str,
    query: &Query<'_>,
) -> Result<Action, Refusal> {
    enum To {
        Get,
        Head,
        Put,
        Delete,
    }
    let methods = [("GET", To::Get), ("HEAD", To::Head), ("PUT", To::Put), ("DELETE", To::Delete)];
    let to = method_of(method, &methods, "GET, HEAD, PUT, DELETE")?;
    let reference = Reference::parse(last).map_err(|error| match error {
        InvalidReference::Tag(error) => Refusal::bad(ErrorCode::ManifestInvalid, error.to_string()),
        InvalidReference::Digest(error) => Refusal::bad(ErrorCode::DigestInvalid, error.to_string()),
    })?;
    Ok(match to {
        To::Get => Action::GetManifest { repository, reference },
        To::Head => Action::HeadManifest { repository, reference },
        To::Put => Action::PutManifest { tags: tags(&reference, query)?, repository, reference },
        To::Delete => Action::DeleteManifest { repository, reference },
    })
}

/// `?tag=a&tag=b` on a PUT by digest.
fn tags(reference: &Reference, query: &Query<'_>) -> Result<Vec<Tag>, Refusal> {
    let mut tags = Vec::new();
    for text in query.all("tag") {
        if let Reference::Tag(_) = reference {
            let message = "`?tag=` goes with a manifest that is put by digest: this one is put by tag";
            return Err(Refusal::bad(ErrorCode::ManifestInvalid, message));
        }
        if tags.len() == MAX_TAGS {
            return Err(Refusal::uri_too_long(format!(
                "a manifest is given at most {MAX_TAGS} tags at once"
            )));
        }
        let tag =
            Tag::parse(text).map_err(|error| Refusal::bad(ErrorCode::ManifestInvalid, error.to_string()))?;
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    Ok(tags)
}

fn start_upload(repository: RepositoryName, query: &Query<'_>) -> Result<Action, Refusal> {
    let digest_of = |key| query.parsed(key, ErrorCode::DigestInvalid, Digest::parse);
    Ok(Action::StartUpload {
        repository,
        mount: digest_of("mount")?,
        from: query.parsed("from", ErrorCode::NameInvalid, RepositoryName::parse)?,
        digest: digest_of("digest")?,
        algorithm: query.parsed("digest-algorithm", ErrorCode::DigestInvalid, Algorithm::parse)?,
    })
}

fn upload(
    method: &str,
    repository: RepositoryName,
    last: &str,
    query: &Query<'_>,
) -> Result<Action, Refusal> {
    enum To {
        Get,
        Patch,
        Put,
        Delete,
    }
    let methods =
        [("GET", To::Get), ("HEAD", To::Get), ("PATCH", To::Patch), ("PUT", To::Put), ("DELETE", To::Delete)];
    let to = method_of(method, &methods, "GET, HEAD, PATCH, PUT, DELETE")?;
    if last.contains(':') {
        // It is in no session's name; a path may hold it for digests only.
        return Err(Refusal {
            code: ErrorCode::BlobUploadUnknown,
            ..Refusal::not_found(
                "the name of an upload session is one that the server gave: start a new upload",
            )
        });
    }
    let session = last.to_owned();
    Ok(match to {
        To::Get => Action::UploadStatus { repository, session },
        To::Patch => Action::PatchUpload { repository, session },
        To::Delete => Action::CancelUpload { repository, session },
        To::Put => {
            let digest = query.parsed("digest", ErrorCode::DigestInvalid, Digest::parse)?;
            let digest = digest.ok_or_else(|| {
                Refusal::bad(
                    ErrorCode::DigestInvalid,
                    "the PUT that ends an upload needs `?digest=` of the whole blob",
                )
            })?;
            Action::PutUpload { repository, session, digest }
        }
    })
}

fn repository(text: &str, reserved: &str) -> Result<RepositoryName, Refusal> {
    let text = text.strip_prefix('/').unwrap_or(text);
    check_reserved(text, reserved)?;
    RepositoryName::parse(text).map_err(|error| Refusal::bad(ErrorCode::NameInvalid, error.to_string()))
}

fn check_reserved(name: &str, reserved: &str) -> Result<(), Refusal> {
    if reserved.is_empty() || name.split('/').next() != Some(reserved) {
        return Ok(());
    }
    let message = format!(
        "a repository name cannot begin with `{reserved}`: it is the path of the health check, so choose another first component, like `charts/{reserved}`"
    );
    Err(Refusal::bad(ErrorCode::NameInvalid, message))
}

fn digest(text: &str) -> Result<Digest, Refusal> {
    Digest::parse(text)
        .map_err(|error: InvalidDigest| Refusal::bad(ErrorCode::DigestInvalid, error.to_string()))
}

/// What `method` means at a path; `allow` lists its methods for the refusal.
fn method_of<'t, T>(method: &str, methods: &'t [(&str, T)], allow: &'static str) -> Result<&'t T, Refusal> {
    methods.iter().find(|(name, _)| *name == method).map(|(_, meaning)| meaning).ok_or(Refusal {
        code: ErrorCode::Unsupported,
        reason: Reason::MethodNotAllowed(allow),
        message: format!("this path does not have this method: use {allow}").into(),
    })
}

impl Action {
    pub fn repository(&self) -> Option<&RepositoryName> {
        match self {
            Self::Museum(action) => action.repository(),
            Self::Ping
            | Self::Home
            | Self::Catalog { .. }
            | Self::ChartIndex { .. }
            | Self::ChartFile { .. }
            | Self::ArtifactHub { .. } => None,
            Self::Api(action) => action.repository(),
            Self::Tags { repository, .. }
            | Self::Referrers { repository, .. }
            | Self::GetManifest { repository, .. }
            | Self::HeadManifest { repository, .. }
            | Self::PutManifest { repository, .. }
            | Self::DeleteManifest { repository, .. }
            | Self::GetBlob { repository, .. }
            | Self::HeadBlob { repository, .. }
            | Self::DeleteBlob { repository, .. }
            | Self::StartUpload { repository, .. }
            | Self::UploadStatus { repository, .. }
            | Self::PatchUpload { repository, .. }
            | Self::PutUpload { repository, .. }
            | Self::CancelUpload { repository, .. } => Some(repository),
        }
    }

    /// The name of the action in logs and metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Museum(action) => action.kind(),
            Self::Ping => "ping",
            Self::Catalog { .. } => "catalog",
            Self::Tags { .. } => "tags",
            Self::Referrers { .. } => "referrers",
            Self::GetManifest { .. } => "manifest.get",
            Self::HeadManifest { .. } => "manifest.head",
            Self::PutManifest { .. } => "manifest.put",
            Self::DeleteManifest { .. } => "manifest.delete",
            Self::GetBlob { .. } => "blob.get",
            Self::HeadBlob { .. } => "blob.head",
            Self::DeleteBlob { .. } => "blob.delete",
            Self::StartUpload { .. } => "upload.start",
            Self::UploadStatus { .. } => "upload.status",
            Self::PatchUpload { .. } => "upload.patch",
            Self::PutUpload { .. } => "upload.put",
            Self::CancelUpload { .. } => "upload.cancel",
            Self::ChartIndex { .. } => "chart.index",
            Self::ChartFile { .. } => "chart.file",
            Self::ArtifactHub { .. } => "chart.artifacthub",
            Self::Home => "home",
            Self::Api(action) => action.kind(),
        }
    }

    pub fn access(&self) -> Access {
        match self {
            Self::Museum(action) => action.access(),
            Self::Ping | Self::Home => Access::Ping,
            Self::Catalog { .. } => Access::Catalog,
            Self::Tags { .. }
            | Self::Referrers { .. }
            | Self::GetManifest { .. }
            | Self::HeadManifest { .. }
            | Self::GetBlob { .. }
            | Self::HeadBlob { .. }
            | Self::ChartIndex { .. }
            | Self::ChartFile { .. }
            | Self::ArtifactHub { .. } => Access::Read,
            Self::Api(action) => action.access(),
            Self::PutManifest { .. }
            | Self::StartUpload { .. }
            | Self::UploadStatus { .. }
            | Self::PatchUpload { .. }
            | Self::PutUpload { .. }
            | Self::CancelUpload { .. } => Access::Write,
            Self::DeleteManifest { .. } | Self::DeleteBlob { .. } => Access::Delete,
        }
    }
}

impl Refusal {
    fn bad(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, reason: Reason::BadRequest, message: message.into() }
    }

    fn not_found(message: &'static str) -> Self {
        Self { code: ErrorCode::NameInvalid, reason: Reason::NotFound, message: message.into() }
    }

    fn uri_too_long(message: String) -> Self {
        Self { code: ErrorCode::Unsupported, reason: Reason::UriTooLong, message: message.into() }
    }
}
