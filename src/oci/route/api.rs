//! Paths of the JSON API, `/-/api/v1/...` (docs/api.md). No component of a repository name is `-`, so `/-/` ends the
//! name in `charts/<repository>/-/versions`.

use super::query::{Page, Query};
use super::{Access, Action, MAX_PAGE, Refusal, check_length, check_reserved, escapes, method_of};
use crate::oci::error::ErrorCode;
use crate::oci::name::{Namespace, RepositoryName};
use crate::oci::tag::Tag;

/// What a request asks of the JSON API. A version is named by the tag that stands for it, with `_` for `+`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiAction {
    /// The description of the API itself.
    OpenApi,
    Namespaces {
        page: Page,
    },
    /// The charts of one namespace.
    Charts {
        namespace: Namespace,
        page: Page,
    },
    Search {
        query: String,
        /// None: all.
        namespace: Option<Namespace>,
        page: Page,
    },
    Chart {
        repository: RepositoryName,
    },
    Versions {
        repository: RepositoryName,
        page: Page,
    },
    Version {
        repository: RepositoryName,
        version: Tag,
    },
    Resolve {
        repository: RepositoryName,
        /// None: any version.
        constraint: Option<String>,
        /// Pre-releases count, too.
        devel: bool,
        like: Like,
    },
    /// The manifests of a repository that no tag points to.
    Untagged {
        repository: RepositoryName,
        page: Page,
    },
    View {
        repository: RepositoryName,
        version: Tag,
        view: View,
    },
    Diff {
        repository: RepositoryName,
        from: Tag,
        to: Tag,
    },
}

/// Which of Helm's two ways chooses a version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Like {
    /// That of `helm pull NAME/CHART`, out of an index.
    #[default]
    Repository,
    /// That of `helm pull oci://...`, out of tags.
    Oci,
}

/// A part of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    Readme,
    Values,
    Schema,
    /// Chart.yaml.
    Chart,
    /// The list of its files.
    Files,
    Dependencies,
}

/// The action of `rest`, what stands behind `/-/api/v1` in `path`.
pub(super) fn route(
    method: &str,
    path: &str,
    rest: &str,
    query: Option<&str>,
    reserved: &str,
) -> Result<Action, Refusal> {
    check_length(path)?;
    let request = Request { query: Query::parse(query)?, reserved };
    let rest = &*escapes::read(rest, escapes::OF_VERSIONS)?;
    // People and tools write a folder's slash.
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let action = match rest.split_once("/-/") {
        None => request.of_registry(rest)?,
        Some((charts, rest)) => match charts.strip_prefix("/repositories/") {
            Some(name) => request.of_repository(request.repository(name)?, rest)?,
            None => {
                let name = charts.strip_prefix("/charts/").ok_or_else(unknown)?;
                request.of_chart(request.repository(name)?, rest)?
            }
        },
    };
    method_of(method, &[("GET", ()), ("HEAD", ())], "GET, HEAD")?;
    Ok(Action::Api(action))
}

/// What stands behind `/-/api/v1` in a path of the JSON API.
pub fn below_api(path: &str) -> Option<&str> {
    path.strip_prefix("/-/api/v1").filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

struct Request<'a> {
    query: Query<'a>,
    reserved: &'a str,
}

impl Request<'_> {
    fn of_registry(&self, rest: &str) -> Result<ApiAction, Refusal> {
        let page = || self.query.page(MAX_PAGE);
        Ok(match rest {
            "/openapi.json" => ApiAction::OpenApi,
            "/namespaces" => {
                // The empty name is that of the root.
                let last = self.query.get("last").map(str::to_owned);
                ApiAction::Namespaces { page: Page { last, ..page()? } }
            }
            "/charts" => {
                let namespace = self.namespace()?.unwrap_or_else(Namespace::root);
                ApiAction::Charts { namespace, page: page()? }
            }
            "/search" => {
                let query = self.query.get("q").unwrap_or_default().to_owned();
                ApiAction::Search { query, namespace: self.namespace()?, page: page()? }
            }
            _ => {
                let name = rest.strip_prefix("/charts/").ok_or_else(unknown)?;
                ApiAction::Chart { repository: self.repository(name)? }
            }
        })
    }

    fn of_chart(&self, repository: RepositoryName, rest: &str) -> Result<ApiAction, Refusal> {
        match rest {
            "versions" => return Ok(ApiAction::Versions { repository, page: self.query.page(MAX_PAGE)? }),
            "resolve" => return self.resolve(repository),
            "diff" => {
                let (from, to) = (self.needed_version("from")?, self.needed_version("to")?);
                return Ok(ApiAction::Diff { repository, from, to });
            }
            _ => {}
        }
        let rest = rest.strip_prefix("versions/").ok_or_else(unknown)?;
        let (text, view) = match rest.split_once('/') {
            None => (rest, None),
            Some((text, view)) => (text, Some(View::parse(view).ok_or_else(unknown)?)),
        };
        let version = version(text).map_err(|message| Refusal::bad(ErrorCode::ManifestInvalid, message))?;
        Ok(match view {
            None => ApiAction::Version { repository, version },
            Some(view) => ApiAction::View { repository, version, view },
        })
    }

    fn of_repository(&self, repository: RepositoryName, rest: &str) -> Result<ApiAction, Refusal> {
        match rest {
            "untagged" => Ok(ApiAction::Untagged { repository, page: self.query.page(MAX_PAGE)? }),
            _ => Err(unknown()),
        }
    }

    fn resolve(&self, repository: RepositoryName) -> Result<ApiAction, Refusal> {
        let devel = self.query.parsed("devel", ErrorCode::Unsupported, |text| match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err("it is `true` or `false`"),
        })?;
        let constraint = self.query.constraint("version");
        let like = self.query.parsed("like", ErrorCode::Unsupported, |text| match text {
            "repository" => Ok(Like::Repository),
            "oci" => Ok(Like::Oci),
            _ => Err("it is `repository` or `oci`"),
        })?;
        let (devel, like) = (devel.unwrap_or_default(), like.unwrap_or_default());
        Ok(ApiAction::Resolve { repository, constraint, devel, like })
    }

    fn needed_version(&self, key: &str) -> Result<Tag, Refusal> {
        let version = self.query.parsed(key, ErrorCode::ManifestInvalid, version)?;
        let message = "differences are between two versions: name them, as in `?from=1.0.0&to=1.1.0`";
        version.ok_or_else(|| Refusal::bad(ErrorCode::ManifestInvalid, message))
    }

    fn namespace(&self) -> Result<Option<Namespace>, Refusal> {
        let namespace = self.query.parsed("namespace", ErrorCode::NameInvalid, Namespace::parse)?;
        check_reserved(namespace.as_ref().map_or("", Namespace::as_str), self.reserved)?;
        Ok(namespace)
    }

    fn repository(&self, name: &str) -> Result<RepositoryName, Refusal> {
        check_reserved(name, self.reserved)?;
        RepositoryName::parse(name).map_err(|error| Refusal::bad(ErrorCode::NameInvalid, error.to_string()))
    }
}

fn unknown() -> Refusal {
    Refusal::not_found("no such path: /-/api/v1/openapi.json describes what there is")
}

/// The tag that stands for a version.
fn version(text: &str) -> Result<Tag, &'static str> {
    Tag::parse(&text.replace('+', "_")).map_err(|_| {
        "a version has at most 128 letters, digits, `.`, `-`, `_` and `+`, and does not begin with `.` or `-`"
    })
}

impl View {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "readme" => Self::Readme,
            "values" => Self::Values,
            "schema" => Self::Schema,
            "chart" => Self::Chart,
            "files" => Self::Files,
            "dependencies" => Self::Dependencies,
            _ => return None,
        })
    }
}

impl ApiAction {
    /// What [`ApiAction::kind`] may say.
    pub const KINDS: [&str; 16] = [
        "api.openapi",
        "api.namespaces",
        "api.charts",
        "api.search",
        "api.chart",
        "api.versions",
        "api.version",
        "api.resolve",
        "api.readme",
        "api.values",
        "api.schema",
        "api.chart_yaml",
        "api.files",
        "api.dependencies",
        "api.diff",
        "api.untagged",
    ];

    /// The name of the action in logs and metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::OpenApi => "api.openapi",
            Self::Namespaces { .. } => "api.namespaces",
            Self::Charts { .. } => "api.charts",
            Self::Search { .. } => "api.search",
            Self::Chart { .. } => "api.chart",
            Self::Versions { .. } => "api.versions",
            Self::Version { .. } => "api.version",
            Self::Resolve { .. } => "api.resolve",
            Self::View { view, .. } => match view {
                View::Readme => "api.readme",
                View::Values => "api.values",
                View::Schema => "api.schema",
                View::Chart => "api.chart_yaml",
                View::Files => "api.files",
                View::Dependencies => "api.dependencies",
            },
            Self::Diff { .. } => "api.diff",
            Self::Untagged { .. } => "api.untagged",
        }
    }

    pub fn access(&self) -> Access {
        match self {
            Self::OpenApi => Access::Ping,
            Self::Namespaces { .. } | Self::Search { namespace: None, .. } => Access::Catalog,
            Self::Charts { .. }
            | Self::Search { namespace: Some(_), .. }
            | Self::Chart { .. }
            | Self::Versions { .. }
            | Self::Version { .. }
            | Self::Resolve { .. }
            | Self::View { .. }
            | Self::Diff { .. }
            | Self::Untagged { .. } => Access::Read,
        }
    }

    pub fn repository(&self) -> Option<&RepositoryName> {
        match self {
            Self::OpenApi | Self::Namespaces { .. } | Self::Charts { .. } | Self::Search { .. } => None,
            Self::Chart { repository }
            | Self::Versions { repository, .. }
            | Self::Version { repository, .. }
            | Self::Resolve { repository, .. }
            | Self::View { repository, .. }
            | Self::Diff { repository, .. }
            | Self::Untagged { repository, .. } => Some(repository),
        }
    }
}
