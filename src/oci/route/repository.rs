//! Paths of the classic chart repository: `/<namespace>/index.yaml`, `/<namespace>/charts/<file>` and
//! `/<namespace>/artifacthub-repo.yml` (docs/internals/helm.md#classic-repository). What namespace a path belongs to is told from its end, so
//! `charts` may be a namespace, too.

use super::{Action, Refusal, check_length, check_reserved, escapes, method_of};
use crate::oci::chart_file::ChartFile;
use crate::oci::error::ErrorCode;
use crate::oci::name::Namespace;

/// The action of a request whose path is not below `/v2`. A query means nothing here.
pub(super) fn route(method: &str, path: &str, reserved: &str) -> Result<Action, Refusal> {
    let unknown = || Refusal::not_found("nothing is here");
    let (before, raw) = path.rsplit_once('/').ok_or_else(unknown)?;
    let read = escapes::read(raw, escapes::OF_VERSIONS);
    // What cannot be read is refused below, if it is meant for a file.
    let last = read.as_deref().unwrap_or(raw);
    let (folder, kind) = match last {
        INDEX => (before, Kind::Index),
        _ if ARTIFACT_HUB.contains(&last) => (before, Kind::ArtifactHub),
        _ if last.ends_with(".tgz") || last.ends_with(".tgz.prov") => {
            let (folder, package) = package_folder(before).ok_or_else(unknown)?;
            (folder, Kind::File { package })
        }
        _ => return Err(unknown()),
    };
    method_of(method, &[("GET", ()), ("HEAD", ())], "GET, HEAD")?;
    check_length(path)?;
    let namespace = namespace(&escapes::read(folder, &[])?, reserved)?;
    Ok(match kind {
        Kind::Index => Action::ChartIndex { namespace },
        Kind::ArtifactHub => Action::ArtifactHub { namespace },
        Kind::File { package } => {
            let file = file(last)?;
            let package = package.map(Into::into);
            Action::ChartFile { namespace, file: ChartFile { package, ..file } }
        }
    })
}

enum Kind<'a> {
    Index,
    ArtifactHub,
    /// With the beginning of the package's digest, if the path has one.
    File {
        package: Option<&'a str>,
    },
}

/// The folder of the namespace that a file belongs to, and the beginning of a digest that stands before its name.
fn package_folder(before: &str) -> Option<(&str, Option<&str>)> {
    if let Some(folder) = before.strip_suffix("/charts") {
        return Some((folder, None));
    }
    let (charts, digest) = before.rsplit_once('/')?;
    let is_digest = ChartFile::is_package_prefix(digest);
    charts.strip_suffix("/charts").filter(|_| is_digest).map(|folder| (folder, Some(digest)))
}

const INDEX: &str = "index.yaml";
/// Artifact Hub looks for both.
const ARTIFACT_HUB: [&str; 2] = ["artifacthub-repo.yml", "artifacthub-repo.yaml"];

pub(super) fn namespace(folder: &str, reserved: &str) -> Result<Namespace, Refusal> {
    // The folder of the root is empty. A `/` alone is one too many, and no name.
    let text = folder.strip_prefix('/').filter(|text| !text.is_empty()).unwrap_or(folder);
    check_reserved(text, reserved)?;
    Namespace::parse(text).map_err(|error| Refusal::bad(ErrorCode::NameInvalid, error.to_string()))
}

fn file(last: &str) -> Result<ChartFile, Refusal> {
    ChartFile::parse(last).ok_or_else(|| {
        let message = "a file of a chart repository is `<name>-<version>.tgz` or `.tgz.prov`, of letters, digits, \
                       `.`, `-`, `_` and `+`, each of which may be percent-encoded once";
        Refusal::bad(ErrorCode::NameInvalid, message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::{Reason, route};

    fn index(namespace: &str) -> Option<Action> {
        Some(Action::ChartIndex { namespace: Namespace::parse(namespace).unwrap() })
    }

    fn chart(namespace: &str, file: &str) -> Option<Action> {
        let file = ChartFile::parse(file).unwrap();
        Some(Action::ChartFile { namespace: Namespace::parse(namespace).unwrap(), file })
    }

    #[test]
    fn a_path_belongs_to_the_namespace_before_its_end() {
        let cases = [
            ("/index.yaml", index("")),
            ("/team/index.yaml", index("team")),
            ("/a/b/c/index.yaml", index("a/b/c")),
            ("/charts/index.yaml", index("charts")),
            ("/charts/charts/index.yaml", index("charts/charts")),
            ("/charts/x-1.0.0.tgz", chart("", "x-1.0.0.tgz")),
            ("/team/charts/x-1.0.0.tgz", chart("team", "x-1.0.0.tgz")),
            ("/charts/charts/x-1.0.0.tgz", chart("charts", "x-1.0.0.tgz")),
            ("/team/charts/x-1.0.0.tgz.prov", chart("team", "x-1.0.0.tgz.prov")),
            ("/team/charts/x-1.0.0%2Bb.tgz", chart("team", "x-1.0.0+b.tgz")),
            ("/team/charts/x-1.0.0%2etgz", chart("team", "x-1.0.0.tgz")),
            ("/team/index%2Eyaml", index("team")),
            ("/healthy/index.yaml", index("healthy")),
            ("/te%61m/index.yaml", index("team")),
            ("/team/charts/%78%2D1%2e0%2E0.tgz", chart("team", "x-1.0.0.tgz")),
            ("/charts/0123456789abcdef/charts/x-1.0.0.tgz", chart("charts/0123456789abcdef", "x-1.0.0.tgz")),
        ];
        for (path, expected) in cases {
            for method in ["GET", "HEAD"] {
                assert_eq!(route(method, path, Some("q=%zz"), "health").ok(), expected, "{path}");
            }
            let refusal = route("PUT", path, None, "health").unwrap_err();
            assert_eq!(refusal.reason, Reason::MethodNotAllowed("GET, HEAD"), "{path}");
        }
    }

    #[test]
    fn a_file_may_be_named_with_the_beginning_of_its_digest() {
        for (path, namespace) in [
            ("/charts/0123456789abcdef/x-1.0.0.tgz", ""),
            ("/team/charts/0123456789abcdef/x-1.0.0.tgz", "team"),
            ("/charts/charts/0123456789abcdef/x-1.0.0.tgz", "charts"),
        ] {
            let file = ChartFile {
                package: Some("0123456789abcdef".into()),
                ..ChartFile::parse("x-1.0.0.tgz").unwrap()
            };
            let namespace = Namespace::parse(namespace).unwrap();
            let expected = Action::ChartFile { namespace, file };
            assert_eq!(route("GET", path, None, "health"), Ok(expected), "{path}");
        }
        for digest in ["0123456789abcde", "0123456789ABCDEF", "0123456789abcdeg", "..", ""] {
            let path = format!("/team/charts/{digest}/x-1.0.0.tgz");
            assert!(route("GET", &path, None, "health").is_err(), "{path}");
        }
    }

    #[test]
    fn other_paths_are_refused_with_the_rule() {
        use Reason::{BadRequest, NotFound, UriTooLong};
        let long = format!("/{}/index.yaml", "a".repeat(230));
        let longer = format!("/{}/index.yaml", "a".repeat(1_100));
        let cases = [
            ("", NotFound),
            ("*", NotFound),
            ("/team", NotFound),
            ("/index.yml", NotFound),
            ("/team/index.yaml/", NotFound),
            ("/team/Index.yaml", NotFound),
            ("/team/x-1.0.0.tgz", NotFound),
            ("/team/chartsx/x-1.0.0.tgz", NotFound),
            ("/team%2Findex.yaml", NotFound),
            ("//index.yaml", BadRequest),
            ("/team//index.yaml", BadRequest),
            ("//team/index.yaml", BadRequest),
            ("/Team/index.yaml", BadRequest),
            ("/te%41m/index.yaml", BadRequest),
            ("/te%2561m/index.yaml", BadRequest),
            ("/../index.yaml", BadRequest),
            ("/team/../index.yaml", BadRequest),
            ("/%2e%2e/index.yaml", BadRequest),
            ("/te\\am/index.yaml", BadRequest),
            ("/api/index.yaml", BadRequest),
            ("/health/index.yaml", BadRequest),
            ("/v2x/../charts/x-1.0.0.tgz", BadRequest),
            ("/team/charts/x%20.tgz", BadRequest),
            ("/team/charts/x-1.0.0%2f.tgz", BadRequest),
            ("/team/charts/..%2fx-1.0.0.tgz", BadRequest),
            (long.as_str(), BadRequest),
            (longer.as_str(), UriTooLong),
        ];
        for (path, expected) in cases {
            let refusal = route("GET", path, None, "health").expect_err(path);
            assert_eq!(refusal.reason, expected, "{path}: {}", refusal.message);
        }
    }
}
