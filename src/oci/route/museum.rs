//! Paths of ChartMuseum's API: `/api/<namespace>/charts...` and `/api/<namespace>/prov`
//! (docs/internals/helm.md#chartmuseum-api).
//!
//! A namespace may hold a component `charts`: it ends before the last `/charts` that leaves a legal tail.

use super::query::Query;
use super::repository::namespace;
use super::{Access, Action, Refusal, check_length, escapes, method_of, plus};
use crate::oci::error::ErrorCode;
use crate::oci::name::{Namespace, RepositoryName};

/// What a request of ChartMuseum's API asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MuseumAction {
    /// The version of the server, which clients use to see that there is one.
    Info,
    /// All charts of a namespace with their versions.
    List {
        namespace: Namespace,
        offset: usize,
        limit: Option<usize>,
    },
    /// The versions of a chart.
    Versions {
        repository: RepositoryName,
    },
    /// One version: exact, a range, or `latest`.
    Version {
        repository: RepositoryName,
        version: String,
    },
    Templates {
        repository: RepositoryName,
        version: String,
    },
    Values {
        repository: RepositoryName,
        version: String,
    },
    /// A package, alone or in a form with its signature.
    Upload {
        namespace: Namespace,
        force: bool,
    },
    UploadProvenance {
        namespace: Namespace,
        force: bool,
    },
    Delete {
        repository: RepositoryName,
        version: String,
    },
}

impl MuseumAction {
    pub(super) fn repository(&self) -> Option<&RepositoryName> {
        match self {
            Self::Info | Self::List { .. } | Self::Upload { .. } | Self::UploadProvenance { .. } => None,
            Self::Versions { repository }
            | Self::Version { repository, .. }
            | Self::Templates { repository, .. }
            | Self::Values { repository, .. }
            | Self::Delete { repository, .. } => Some(repository),
        }
    }

    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Info => "museum.info",
            Self::List { .. } => "museum.list",
            Self::Versions { .. } => "museum.versions",
            Self::Version { .. } => "museum.version",
            Self::Templates { .. } => "museum.templates",
            Self::Values { .. } => "museum.values",
            Self::Upload { .. } => "museum.upload",
            Self::UploadProvenance { .. } => "museum.provenance",
            Self::Delete { .. } => "museum.delete",
        }
    }

    pub(super) fn access(&self) -> Access {
        match self {
            Self::Upload { .. } | Self::UploadProvenance { .. } => Access::Write,
            Self::Delete { .. } => Access::Delete,
            Self::Info => Access::Ping,
            _ => Access::Read,
        }
    }
}

/// The action of a request whose path, after `/api`, is `rest`.
pub(super) fn route(
    method: &str,
    path: &str,
    rest: &str,
    query: Option<&str>,
    reserved: &str,
) -> Result<Action, Refusal> {
    check_length(path)?;
    let plain = &*escapes::read(rest, escapes::OF_CONSTRAINTS)?;
    // People and tools write a folder's slash.
    let plain = plain.strip_suffix('/').unwrap_or(plain);
    let action = if let Some(folder) = plain.strip_suffix("/prov") {
        method_of(method, &[("POST", ())], "POST")?;
        MuseumAction::UploadProvenance { namespace: namespace(folder, reserved)?, force: force(query)? }
    } else {
        let (folder, tail) =
            split(plain).ok_or(Refusal::not_found("ChartMuseum's API has `charts` and `prov`"))?;
        of_charts(method, namespace(folder, reserved)?, &tail, query)?
    };
    Ok(Action::Museum(action))
}

/// The folder of the namespace, and what stands behind `/charts`.
fn split(path: &str) -> Option<(&str, Vec<&str>)> {
    let mut ends = path.rmatch_indices("/charts").filter(|(at, found)| {
        let rest = &path[at + found.len()..];
        rest.is_empty() || rest.starts_with('/')
    });
    ends.find_map(|(at, found)| {
        let tail: Vec<&str> = path[at + found.len()..].split('/').skip(1).collect();
        let legal = match tail.as_slice() {
            [] | [_] | [_, _] => true,
            [_, _, view] => matches!(*view, "templates" | "values"),
            _ => false,
        };
        legal.then_some((&path[..at], tail))
    })
}

fn of_charts(
    method: &str,
    namespace: Namespace,
    tail: &[&str],
    query: Option<&str>,
) -> Result<MuseumAction, Refusal> {
    let read = || method_of(method, &[("GET", ()), ("HEAD", ())], "GET, HEAD");
    let chart = |name: &str| {
        namespace.repository(name).map_err(|error| Refusal::bad(ErrorCode::NameInvalid, error.to_string()))
    };
    match *tail {
        [] => match method_of(method, &[("GET", false), ("HEAD", false), ("POST", true)], "GET, HEAD, POST")?
        {
            true => Ok(MuseumAction::Upload { force: force(query)?, namespace }),
            false => {
                let query = Query::parse(query)?;
                let (offset, limit) = (number(&query, "offset")?.unwrap_or(0), number(&query, "limit")?);
                Ok(MuseumAction::List { namespace, offset, limit })
            }
        },
        [name] => {
            read()?;
            Ok(MuseumAction::Versions { repository: chart(name)? })
        }
        [name, version] => {
            let methods = [("GET", false), ("HEAD", false), ("DELETE", true)];
            let delete = *method_of(method, &methods, "GET, HEAD, DELETE")?;
            let (repository, version) = (chart(name)?, plus::constraint(version));
            Ok(match delete {
                true => MuseumAction::Delete { repository, version },
                false => MuseumAction::Version { repository, version },
            })
        }
        [name, version, view] => {
            read()?;
            let (repository, version) = (chart(name)?, plus::constraint(version));
            Ok(match view {
                "values" => MuseumAction::Values { repository, version },
                _ => MuseumAction::Templates { repository, version },
            })
        }
        _ => Err(Refusal::not_found("nothing is here")),
    }
}

/// `?force`, alone or with a value that is no denial.
fn force(query: Option<&str>) -> Result<bool, Refusal> {
    Ok(Query::parse(query)?.get("force").is_some_and(|value| !matches!(value, "false" | "0")))
}

fn number(query: &Query<'_>, key: &str) -> Result<Option<usize>, Refusal> {
    query.parsed(key, ErrorCode::Unsupported, |digits| {
        let legal = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        legal.then(|| digits.parse().unwrap_or(usize::MAX)).ok_or("it must be a number, 0 or more")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::{Reason, route};

    fn read(method: &str, target: &str) -> Result<MuseumAction, Reason> {
        let (path, query) =
            target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        match route(method, path, query, "health") {
            Ok(Action::Museum(action)) => Ok(action),
            Ok(other) => panic!("{other:?}"),
            Err(refusal) => Err(refusal.reason),
        }
    }

    #[test]
    fn every_path_of_the_api_is_one_action() {
        use MuseumAction::*;
        let name = |text: &str| RepositoryName::parse(text).unwrap();
        let space = |text: &str| Namespace::parse(text).unwrap();
        let of = |repository: &str, version: &str| (name(repository), version.to_owned());
        let version = |repository, version| {
            let (repository, version) = of(repository, version);
            Version { repository, version }
        };
        let list = |namespace, offset, limit| List { namespace: space(namespace), offset, limit };
        let cases = [
            ("GET", "/api/charts", list("", 0, None)),
            ("GET", "/api/team/charts?offset=10&limit=5", list("team", 10, Some(5))),
            ("HEAD", "/api/a/b/charts?limit=99999999999999999999999", list("a/b", 0, Some(usize::MAX))),
            ("GET", "/api/charts/app", Versions { repository: name("app") }),
            ("GET", "/api/team/charts/app", Versions { repository: name("team/app") }),
            ("GET", "/api/charts/charts", list("charts", 0, None)),
            ("GET", "/api/charts/charts/app", Versions { repository: name("charts/app") }),
            ("GET", "/api/charts/app/1.2.3", version("app", "1.2.3")),
            ("HEAD", "/api/team/charts/app/latest", version("team/app", "latest")),
            ("GET", "/api/team/charts/app/1.2.3%2Bb", version("team/app", "1.2.3+b")),
            ("GET", "/api/team/charts/app/1.2.3+b", version("team/app", "1.2.3+b")),
            (
                "GET",
                "/api/team/charts/app/1.2.3/values",
                Values { repository: name("team/app"), version: "1.2.3".into() },
            ),
            (
                "GET",
                "/api/charts/app/1.2.3/templates",
                Templates { repository: name("app"), version: "1.2.3".into() },
            ),
            ("POST", "/api/charts", Upload { namespace: space(""), force: false }),
            ("POST", "/api/team/charts?force", Upload { namespace: space("team"), force: true }),
            ("POST", "/api/team/charts?force=false", Upload { namespace: space("team"), force: false }),
            ("POST", "/api/team/prov?force=true", UploadProvenance { namespace: space("team"), force: true }),
            ("POST", "/api/prov", UploadProvenance { namespace: space(""), force: false }),
            ("GET", "/api/te%61m/charts/app/%5E1.2", version("team/app", "^1.2")),
            ("GET", "/api/charts/app/%3E%3D1.0%20%3C2", version("app", ">=1.0 <2")),
            ("GET", "/api/charts/app/%3E%3D1.0+%3C2", version("app", ">=1.0 <2")),
            ("GET", "/api/charts/app/1%2e2%2e3", version("app", "1.2.3")),
            ("GET", "/api/team/charts/", list("team", 0, None)),
            ("GET", "/api/charts/", list("", 0, None)),
            ("GET", "/api/team/charts/app/", Versions { repository: name("team/app") }),
            ("GET", "/api/team/charts/app/latest/", version("team/app", "latest")),
            ("POST", "/api/team/charts/?force", Upload { namespace: space("team"), force: true }),
            ("POST", "/api/team/prov/", UploadProvenance { namespace: space("team"), force: false }),
            (
                "DELETE",
                "/api/team/charts/app/1.2.3",
                Delete { repository: name("team/app"), version: "1.2.3".into() },
            ),
        ];
        for (method, target, expected) in cases {
            assert_eq!(read(method, target), Ok(expected), "{method} {target}");
        }
    }

    #[test]
    fn other_requests_break_a_rule() {
        use Reason::{BadRequest, MethodNotAllowed, NotFound};
        let cases = [
            ("GET", "/api", NotFound),
            ("GET", "/api/", NotFound),
            ("GET", "/api/team", NotFound),
            ("GET", "/api/team/charts/app/1.0.0/other", NotFound),
            ("GET", "/api/team/charts/app/1.0.0/values/more", NotFound),
            ("GET", "/api/team/prov", MethodNotAllowed("POST")),
            ("PUT", "/api/team/charts", MethodNotAllowed("GET, HEAD, POST")),
            ("POST", "/api/team/charts/app/1.0.0", MethodNotAllowed("GET, HEAD, DELETE")),
            ("DELETE", "/api/team/charts/app", MethodNotAllowed("GET, HEAD")),
            ("GET", "/api/charts?offset=-1", BadRequest),
            ("GET", "/api/charts?limit=x", BadRequest),
            ("GET", "/api/charts?limit=1&limit=2", BadRequest),
            ("GET", "/api//charts", BadRequest),
            ("GET", "/api/Team/charts", BadRequest),
            ("GET", "/api/team/charts/App", BadRequest),
            ("GET", "/api/team/charts//", BadRequest),
            ("GET", "/api/../charts", BadRequest),
            ("GET", "/api/%2e%2e/charts", BadRequest),
            ("GET", "/api/team%2fa/charts", BadRequest),
            ("GET", "/api/charts/app/1%2500", BadRequest),
            ("GET", "/api/charts/%61%70%2bp", BadRequest),
            ("GET", "/api/health/charts", BadRequest),
            ("GET", "/api/v2/charts", BadRequest),
        ];
        for (method, target, expected) in cases {
            assert_eq!(read(method, target), Err(expected), "{method} {target}");
        }
    }
}
