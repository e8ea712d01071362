//! Tests of the paths of the JSON API.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn of(method: &str, target: &str) -> Result<Action, Refusal> {
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    route(method, path, query, "health")
}

fn page(n: Option<usize>, last: Option<&str>) -> Page {
    Page { n, last: last.map(str::to_owned) }
}

fn endpoints() -> Vec<(&'static str, ApiAction, Access)> {
    let app = || RepositoryName::parse("team/app").unwrap();
    let namespace = |text| Namespace::parse(text).unwrap();
    let tag = |text| Tag::parse(text).unwrap();
    let resolve = |constraint: Option<&str>, devel| ApiAction::Resolve {
        repository: app(),
        constraint: constraint.map(str::to_owned),
        devel,
        like: Like::Repository,
    };
    let resolve_like_oci = ApiAction::Resolve {
        repository: app(),
        constraint: Some("^1".to_owned()),
        devel: false,
        like: Like::Oci,
    };
    let untagged = |page| ApiAction::Untagged { repository: app(), page };
    let search = |query: &str, namespace| ApiAction::Search {
        query: query.to_owned(),
        namespace,
        page: page(None, None),
    };
    let view = |view| ApiAction::View { repository: app(), version: tag("1.2.3_b"), view };
    let charts = |text, page| ApiAction::Charts { namespace: namespace(text), page };
    let versions = |page| ApiAction::Versions { repository: app(), page };
    vec![
        ("openapi.json", ApiAction::OpenApi, Access::Ping),
        (
            "namespaces?n=5&last=a/b",
            ApiAction::Namespaces { page: page(Some(5), Some("a/b")) },
            Access::Catalog,
        ),
        ("namespaces?last=", ApiAction::Namespaces { page: page(None, Some("")) }, Access::Catalog),
        ("charts", charts("", page(None, None)), Access::Read),
        ("charts?namespace=", charts("", page(None, None)), Access::Read),
        ("charts?namespace=a%2Fb&n=5000", charts("a/b", page(Some(1_000), None)), Access::Read),
        ("search", search("", None), Access::Catalog),
        ("search?q=web%20server", search("web server", None), Access::Catalog),
        ("search?q=%C3%BC&namespace=", search("ü", Some(namespace(""))), Access::Read),
        ("search?q=x&namespace=team", search("x", Some(namespace("team"))), Access::Read),
        ("charts/team/app", ApiAction::Chart { repository: app() }, Access::Read),
        ("charts/team/app/-/versions", versions(page(None, None)), Access::Read),
        (
            "charts/team/app/-/versions?n=1&last=1.0.0+b",
            versions(page(Some(1), Some("1.0.0+b"))),
            Access::Read,
        ),
        (
            "charts/team/app/-/versions/1.2.3",
            ApiAction::Version { repository: app(), version: tag("1.2.3") },
            Access::Read,
        ),
        ("charts/team/app/-/versions/1.2.3+b/readme", view(View::Readme), Access::Read),
        ("charts/team/app/-/versions/1.2.3%2Bb/values", view(View::Values), Access::Read),
        ("charts/team/app/-/versions/1.2.3%2bb/schema", view(View::Schema), Access::Read),
        ("charts/team/app/-/versions/1.2.3_b/chart", view(View::Chart), Access::Read),
        ("charts/team/app/-/versions/1.2.3+b/files", view(View::Files), Access::Read),
        ("charts/team/app/-/versions/1.2.3+b/dependencies", view(View::Dependencies), Access::Read),
        ("charts/team/app/-/resolve", resolve(None, false), Access::Read),
        ("charts/team/app/-/resolve?version=&devel=false", resolve(None, false), Access::Read),
        (
            "charts/team/app/-/resolve?version=^1.2%20||%203&devel=true",
            resolve(Some("^1.2 || 3"), true),
            Access::Read,
        ),
        (
            "charts/team/app/-/resolve?version=%3E%3D1.1.0+%3C1.2",
            resolve(Some(">=1.1.0 <1.2"), false),
            Access::Read,
        ),
        ("charts/team/app/-/resolve?version=1.1.0+b", resolve(Some("1.1.0+b"), false), Access::Read),
        ("charts/team/app/-/resolve?version=1.1.0%2Bb", resolve(Some("1.1.0+b"), false), Access::Read),
        ("charts/team/app/-/resolve?like=repository", resolve(None, false), Access::Read),
        ("charts/team/app/-/resolve?version=^1&like=oci", resolve_like_oci, Access::Read),
        ("repositories/team/app/-/untagged", untagged(page(None, None)), Access::Read),
        ("repositories/team/app/-/untagged?n=2&last=x", untagged(page(Some(2), Some("x"))), Access::Read),
        ("namespaces/", ApiAction::Namespaces { page: page(None, None) }, Access::Catalog),
        ("charts/?n=1", charts("", page(Some(1), None)), Access::Read),
        ("charts/te%61m/%61pp/", ApiAction::Chart { repository: app() }, Access::Read),
        ("charts/team/app/-/versions/", versions(page(None, None)), Access::Read),
        ("charts/team/app/-/versions/1%2E2.3_b/readme/", view(View::Readme), Access::Read),
        (
            "charts/team/app/-/diff?from=1.0.0+a&to=1.1.0%2Ba",
            ApiAction::Diff { repository: app(), from: tag("1.0.0_a"), to: tag("1.1.0_a") },
            Access::Read,
        ),
    ]
}

#[test]
fn every_endpoint_has_its_action() {
    let mut kinds = BTreeSet::new();
    for (target, action, access) in endpoints() {
        let target = format!("/-/api/v1/{target}");
        kinds.insert(action.kind());
        assert_eq!(action.access(), access, "{target}");
        assert_eq!(
            action.repository().is_some(),
            (target.contains("team/app") || target.contains("te%61m")),
            "{target}"
        );
        for method in ["GET", "HEAD"] {
            assert_eq!(of(method, &target), Ok(Action::Api(action.clone())), "{method} {target}");
        }
        for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "get", ""] {
            let refusal = of(method, &target).unwrap_err();
            assert_eq!(refusal.reason, Reason::MethodNotAllowed("GET, HEAD"), "{method} {target}");
        }
    }
    assert_eq!(kinds, BTreeSet::from(ApiAction::KINDS));
}

#[test]
fn words_of_the_paths_are_names_too() {
    for name in ["charts", "versions", "charts/versions", "a/search", "resolve/diff/readme", "openapi.json"] {
        for (rest, kind) in
            [("", "api.chart"), ("/-/versions", "api.versions"), ("/-/versions/1", "api.version")]
        {
            let action = of("GET", &format!("/-/api/v1/charts/{name}{rest}")).unwrap();
            assert_eq!((action.kind(), action.repository().unwrap().as_str()), (kind, name));
        }
    }
}

#[test]
fn other_paths_and_queries_are_refused_with_the_rule() {
    use Reason::{BadRequest, NotFound, UriTooLong};
    let long = format!("charts/{}", "a".repeat(230));
    let longer = format!("charts/{}", "a".repeat(1_100));
    let long_version = format!("charts/app/-/versions/{}", "1".repeat(129));
    let cases = [
        ("", NotFound),
        ("chart", NotFound),
        ("Charts", NotFound),
        ("search/x", NotFound),
        ("-/versions", NotFound),
        ("search/-/versions", NotFound),
        ("charts/app/-/", BadRequest),
        ("charts/app//", BadRequest),
        ("charts/te%41m/app", BadRequest),
        ("charts/te%2561m/app", BadRequest),
        ("repositories/app", NotFound),
        ("repositories/app/-/tags", NotFound),
        ("repositories/v2/app/-/untagged", BadRequest),
        ("charts/app/-/untagged", NotFound),
        ("charts/app/-/resolve?like=helm", BadRequest),
        ("charts/app/-/version", NotFound),
        ("charts/app/-/versions/1.0.0/README", NotFound),
        ("charts/app/-/versions/1.0.0/-/readme", NotFound),
        ("charts/app/-/diff/1.0.0", NotFound),
        ("charts//app", BadRequest),
        ("charts/App", BadRequest),
        ("charts/app/-", BadRequest),
        ("charts/app/versions/-", BadRequest),
        ("charts/-/-/versions", NotFound),
        ("charts/a%2Bb", BadRequest),
        ("charts/../app", BadRequest),
        ("charts/v2/app", BadRequest),
        ("charts/api/app", BadRequest),
        ("charts/health/app", BadRequest),
        ("charts/app/-/versions/.1", BadRequest),
        ("charts/app/-/versions/..", BadRequest),
        ("charts/app/-/versions/%2e%2e", BadRequest),
        ("charts/app/-/versions/1.0.0%2F", BadRequest),
        ("charts/app/-/versions/1.0.0%252Bb", BadRequest),
        ("charts/app/-/versions/1.0.0%20", BadRequest),
        ("charts/app/-/versions/1:0", BadRequest),
        ("charts/app/-/diff", BadRequest),
        ("charts/app/-/diff?from=1", BadRequest),
        ("charts/app/-/diff?from=1&to=", BadRequest),
        ("charts/app/-/diff?from=1&to=a/b", BadRequest),
        ("charts/app/-/resolve?devel=1", BadRequest),
        ("charts/app/-/resolve?devel=", BadRequest),
        ("charts?namespace=Team", BadRequest),
        ("charts?namespace=a/", BadRequest),
        ("charts?namespace=health", BadRequest),
        ("charts?namespace=-", BadRequest),
        ("search?namespace=../a", BadRequest),
        ("search?q=%00", BadRequest),
        ("search?q=%ff", BadRequest),
        ("search?q=a&q=b", BadRequest),
        ("namespaces?n=-1", BadRequest),
        ("namespaces?n=1e9", BadRequest),
        (long.as_str(), BadRequest),
        (long_version.as_str(), BadRequest),
        (longer.as_str(), UriTooLong),
    ];
    for (target, expected) in cases {
        let refusal = of("GET", &format!("/-/api/v1/{target}")).expect_err(target);
        assert_eq!(refusal.reason, expected, "{target}: {}", refusal.message);
    }
    for target in ["/-", "/-/", "/-/api", "/-/api/v1", "/-/api/v1x", "/-/api/v2/charts", "/-/API/v1/charts"] {
        assert_eq!(of("GET", target).unwrap_err().reason, NotFound, "{target}");
    }
    assert_eq!(of("GET", "//-/api/v1/charts").unwrap_err().reason, NotFound);
}

proptest! {
    #[test]
    fn no_target_makes_the_router_panic(rest in "(charts/)?[ -~é]{0,40}(/-/)?[ -~é]{0,30}", query in "[ -~é]{0,40}") {
        let _ = route("GET", &format!("/-/api/v1/{rest}"), Some(&query), "health");
    }
}
