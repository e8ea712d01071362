//! Paths of the JSON API, `/-/api/v1/...` (docs/api.md). No component of a repository name is `-`, so `/-/` ends the
//! name in `charts/<repository>/-/versions`.

use super::query::{Page, Query};
use super::{Access, Action, MAX_PAGE, Refusal, check_length, check_plain, check_reserved, method_of};
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
    let action = match rest.split_once("/-/") {
        None => {
            check_plain(rest)?;
            request.of_registry(rest)?
        }
        Some((charts, rest)) => {
            check_plain(charts)?;
            // Clients write `+` both ways.
            let rest = rest.replace("%2B", "+").replace("%2b", "+");
            check_plain(&rest)?;
            let name = charts.strip_prefix("/charts/").ok_or_else(unknown)?;
            request.of_chart(request.repository(name)?, &rest)?
        }
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

    fn resolve(&self, repository: RepositoryName) -> Result<ApiAction, Refusal> {
        let devel = self.query.parsed("devel", ErrorCode::Unsupported, |text| match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err("it is `true` or `false`"),
        })?;
        let constraint = self.query.get("version").filter(|text| !text.is_empty()).map(str::to_owned);
        Ok(ApiAction::Resolve { repository, constraint, devel: devel.unwrap_or_default() })
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
    pub const KINDS: [&str; 15] = [
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
            | Self::Diff { .. } => Access::Read,
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
            | Self::Diff { repository, .. } => Some(repository),
        }
    }
}
