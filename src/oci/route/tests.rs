use proptest::prelude::*;

use super::*;

const A: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

fn of(method: &str, target: &str) -> Result<Action, Refusal> {
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    route(method, path, query, "health")
}

fn name(text: &str) -> RepositoryName {
    RepositoryName::parse(text).unwrap()
}

fn digest_of(text: &str) -> Digest {
    Digest::parse(text).unwrap()
}

fn tag(text: &str) -> Tag {
    Tag::parse(text).unwrap()
}

#[test]
fn every_endpoint_has_its_action() {
    let app = || name("team/app");
    let by_tag = || Reference::Tag(tag("1.2.3"));
    let by_digest = || Reference::Digest(digest_of(A));
    let page = |n: Option<usize>, last: Option<&str>| Page { n, last: last.map(str::to_owned) };
    let start = |mount, from, digest, algorithm| Action::StartUpload {
        repository: app(),
        mount,
        from,
        digest,
        algorithm,
    };
    let cases = [
        ("GET", "/v2/".to_owned(), Action::Ping),
        ("HEAD", "/v2".into(), Action::Ping),
        ("GET", "/v2/_catalog".into(), Action::Catalog { page: page(None, None) }),
        ("GET", "/v2/_catalog?n=5&last=a%2Fb".into(), Action::Catalog { page: page(Some(5), Some("a/b")) }),
        (
            "GET",
            "/v2/_catalog?n=99999999999999999999".into(),
            Action::Catalog { page: page(Some(MAX_PAGE), None) },
        ),
        ("GET", "/v2/team/app/tags/list".into(), Action::Tags { repository: app(), page: page(None, None) }),
        (
            "GET",
            "/v2/team/app/tags/list?n=0&last=1.0.0".into(),
            Action::Tags { repository: app(), page: page(Some(0), Some("1.0.0")) },
        ),
        (
            "GET",
            "/v2/team/app/tags/list?n=10000&ns=docker.io".into(),
            Action::Tags { repository: app(), page: page(Some(10_000), None) },
        ),
        (
            "GET",
            "/v2/team/app/manifests/1.2.3".into(),
            Action::GetManifest { repository: app(), reference: by_tag() },
        ),
        (
            "HEAD",
            format!("/v2/team/app/manifests/{A}"),
            Action::HeadManifest { repository: app(), reference: by_digest() },
        ),
        (
            "PUT",
            "/v2/team/app/manifests/1.2.3".into(),
            Action::PutManifest { repository: app(), reference: by_tag(), tags: vec![] },
        ),
        (
            "PUT",
            format!("/v2/team/app/manifests/{A}?tag=a&tag=b&tag=a"),
            Action::PutManifest { repository: app(), reference: by_digest(), tags: vec![tag("a"), tag("b")] },
        ),
        (
            "DELETE",
            "/v2/team/app/manifests/1.2.3".into(),
            Action::DeleteManifest { repository: app(), reference: by_tag() },
        ),
        (
            "GET",
            format!("/v2/team/app/blobs/{A}"),
            Action::GetBlob { repository: app(), digest: digest_of(A) },
        ),
        (
            "HEAD",
            format!("/v2/team/app/blobs/{A}"),
            Action::HeadBlob { repository: app(), digest: digest_of(A) },
        ),
        (
            "DELETE",
            format!("/v2/team/app/blobs/{A}"),
            Action::DeleteBlob { repository: app(), digest: digest_of(A) },
        ),
        (
            "GET",
            format!("/v2/team/app/referrers/{A}"),
            Action::Referrers {
                repository: app(),
                subject: digest_of(A),
                artifact_type: None,
                page: page(None, None),
            },
        ),
        (
            "GET",
            format!("/v2/team/app/referrers/{A}?artifactType=application/x%2By"),
            Action::Referrers {
                repository: app(),
                subject: digest_of(A),
                artifact_type: Some("application/x+y".into()),
                page: page(None, None),
            },
        ),
        (
            "GET",
            format!("/v2/te%61m/app/manifests/{}", A.replace(':', "%3A")),
            Action::GetManifest { repository: app(), reference: by_digest() },
        ),
        (
            "HEAD",
            format!("/v2/team/app/blobs/{}", A.replace(':', "%3a")),
            Action::HeadBlob { repository: app(), digest: digest_of(A) },
        ),
        (
            "GET",
            "/v2/team%2Dx/app/manifests/1%2e2%2E3".into(),
            Action::GetManifest { repository: name("team-x/app"), reference: by_tag() },
        ),
        ("GET", "/".into(), Action::Home),
        ("HEAD", "/info".into(), Action::Museum(MuseumAction::Info)),
        (
            "GET",
            "/team/artifacthub-repo.yml".into(),
            Action::ArtifactHub { namespace: Namespace::parse("team").unwrap() },
        ),
        ("GET", "/artifacthub-repo.yaml".into(), Action::ArtifactHub { namespace: Namespace::root() }),
        ("POST", "/v2/team/app/blobs/uploads/".into(), start(None, None, None, None)),
        ("POST", "/v2/team/app/blobs/uploads".into(), start(None, None, None, None)),
        (
            "POST",
            format!("/v2/team/app/blobs/uploads/?digest={}", A.replace(':', "%3A")),
            start(None, None, Some(digest_of(A)), None),
        ),
        (
            "POST",
            format!("/v2/team/app/blobs/uploads/?mount={A}&from=other/app"),
            start(Some(digest_of(A)), Some(name("other/app")), None, None),
        ),
        (
            "POST",
            "/v2/team/app/blobs/uploads/?digest-algorithm=sha512".into(),
            start(None, None, None, Some(Algorithm::Sha512)),
        ),
        (
            "GET",
            "/v2/team/app/blobs/uploads/s-1".into(),
            Action::UploadStatus { repository: app(), session: "s-1".into() },
        ),
        (
            "PATCH",
            "/v2/team/app/blobs/uploads/s-1".into(),
            Action::PatchUpload { repository: app(), session: "s-1".into() },
        ),
        (
            "DELETE",
            "/v2/team/app/blobs/uploads/s-1".into(),
            Action::CancelUpload { repository: app(), session: "s-1".into() },
        ),
        (
            "PUT",
            format!("/v2/team/app/blobs/uploads/s-1?digest={B}"),
            Action::PutUpload { repository: app(), session: "s-1".into(), digest: digest_of(B) },
        ),
        // The words of the paths are legal names.
        (
            "GET",
            "/v2/blobs/manifests/tags/list/manifests/v1".into(),
            Action::GetManifest {
                repository: name("blobs/manifests/tags/list"),
                reference: Reference::Tag(tag("v1")),
            },
        ),
        (
            "GET",
            format!("/v2/a/blobs/uploads/blobs/{A}"),
            Action::GetBlob { repository: name("a/blobs/uploads"), digest: digest_of(A) },
        ),
        (
            "GET",
            "/v2/tags/tags/list".into(),
            Action::Tags { repository: name("tags"), page: page(None, None) },
        ),
        (
            "POST",
            "/v2/uploads/blobs/uploads/".into(),
            Action::StartUpload {
                repository: name("uploads"),
                mount: None,
                from: None,
                digest: None,
                algorithm: None,
            },
        ),
    ];
    for (method, target, expected) in cases {
        assert_eq!(of(method, &target), Ok(expected), "{method} {target}");
    }
}

#[test]
fn what_is_malformed_is_refused_by_its_rule() {
    use ErrorCode::*;
    use Reason::*;
    let upper = A.to_uppercase();
    let short = &A[..A.len() - 1];
    let many_tags = (0..101).map(|i| format!("tag=t{i}")).collect::<Vec<_>>().join("&");
    let cases: Vec<(&str, String, ErrorCode, Reason)> = vec![
        ("GET", "/v1/".into(), NameInvalid, NotFound),
        ("GET", "/v2x".into(), NameInvalid, NotFound),
        ("GET", "http://host/v2/".into(), NameInvalid, NotFound),
        ("GET", "/v2/app".into(), NameInvalid, NotFound),
        ("GET", "/v2/app/else/1".into(), NameInvalid, NotFound),
        ("GET", "/v2/app/tags/lists".into(), NameInvalid, NotFound),
        ("POST", "/v2/".into(), Unsupported, MethodNotAllowed("GET, HEAD")),
        ("PUT", "/v2/app/tags/list".into(), Unsupported, MethodNotAllowed("GET, HEAD")),
        ("PATCH", "/v2/app/manifests/v1".into(), Unsupported, MethodNotAllowed("GET, HEAD, PUT, DELETE")),
        ("get", "/v2/app/manifests/v1".into(), Unsupported, MethodNotAllowed("GET, HEAD, PUT, DELETE")),
        ("PUT", format!("/v2/app/blobs/{A}"), Unsupported, MethodNotAllowed("GET, HEAD, DELETE")),
        ("GET", "/v2/app/blobs/uploads/".into(), Unsupported, MethodNotAllowed("POST")),
        (
            "POST",
            "/v2/app/blobs/uploads/s".into(),
            Unsupported,
            MethodNotAllowed("GET, HEAD, PATCH, PUT, DELETE"),
        ),
        ("GET", "/v2/App/manifests/v1".into(), NameInvalid, BadRequest),
        ("GET", "/v2/a//b/manifests/v1".into(), NameInvalid, BadRequest),
        ("GET", "/v2//a/manifests/v1".into(), NameInvalid, BadRequest),
        ("GET", "/v2/../a/manifests/v1".into(), NameInvalid, BadRequest),
        ("GET", "/v2/./manifests/v1".into(), NameInvalid, BadRequest),
        ("GET", "/v2/_catalog/manifests/v1".into(), NameInvalid, BadRequest),
        ("GET", "/v2/-/manifests/v1".into(), NameInvalid, BadRequest),
        ("GET", "/v2/a%2fb/manifests/v1".into(), NameInvalid, BadRequest),
        ("GET", "/v2/a/manifests/%2e%2e".into(), NameInvalid, BadRequest),
        ("GET", "/v2/a/manifests/%2e".into(), NameInvalid, BadRequest),
        ("GET", "/v2/a/manifests/%2561".into(), NameInvalid, BadRequest),
        ("GET", "/v2/a/manifests/a%2Bb".into(), NameInvalid, BadRequest),
        ("GET", "/v2/a%3Ab/manifests/v1".into(), NameInvalid, BadRequest),
        ("GET", "/v2/a/blobs/uploads/a%3Ab".into(), BlobUploadUnknown, NotFound),
        ("POST", "/".into(), Unsupported, MethodNotAllowed("GET, HEAD")),
        ("POST", "/info".into(), Unsupported, MethodNotAllowed("GET, HEAD")),
        ("GET", "/v2/a/manifests/v1%00".into(), NameInvalid, BadRequest),
        ("GET", "/v2/a\\b/manifests/v1".into(), NameInvalid, BadRequest),
        ("GET", "/v2/ä/manifests/v1".into(), NameInvalid, BadRequest),
        ("GET", "/v2/api/manifests/v1".into(), NameInvalid, BadRequest),
        ("GET", "/v2/v2/app/manifests/v1".into(), NameInvalid, BadRequest),
        ("GET", "/v2/health/app/manifests/v1".into(), NameInvalid, BadRequest),
        ("GET", format!("/v2/{}/manifests/v1", "a".repeat(230)), NameInvalid, BadRequest),
        ("GET", format!("/v2/{}/manifests/v1", "a/".repeat(600)), Unsupported, UriTooLong),
        ("GET", "/v2/app/manifests/".into(), ManifestInvalid, BadRequest),
        ("GET", "/v2/app/manifests/.hidden".into(), ManifestInvalid, BadRequest),
        ("GET", format!("/v2/app/manifests/{}", "t".repeat(129)), ManifestInvalid, BadRequest),
        ("GET", format!("/v2/app/manifests/{upper}"), DigestInvalid, BadRequest),
        ("GET", format!("/v2/app/manifests/{short}"), DigestInvalid, BadRequest),
        ("GET", "/v2/app/manifests/sha256:".into(), DigestInvalid, BadRequest),
        ("GET", "/v2/app/manifests/latest:1".into(), DigestInvalid, BadRequest),
        ("GET", "/v2/app/blobs/latest".into(), DigestInvalid, BadRequest),
        ("GET", "/v2/app/blobs/".into(), DigestInvalid, BadRequest),
        ("GET", "/v2/app/blobs/md5:d41d8cd98f00b204e9800998ecf8427e".into(), DigestInvalid, BadRequest),
        ("GET", "/v2/app/referrers/nothing".into(), DigestInvalid, BadRequest),
        ("PUT", "/v2/app/blobs/uploads/s".into(), DigestInvalid, BadRequest),
        ("PUT", "/v2/app/blobs/uploads/s?digest=".into(), DigestInvalid, BadRequest),
        ("PUT", format!("/v2/app/blobs/uploads/s?digest={A}&digest={A}"), Unsupported, BadRequest),
        ("POST", "/v2/app/blobs/uploads/?mount=x".into(), DigestInvalid, BadRequest),
        ("POST", format!("/v2/app/blobs/uploads/?mount={A}&from=../x"), NameInvalid, BadRequest),
        ("POST", "/v2/app/blobs/uploads/?digest-algorithm=md5".into(), DigestInvalid, BadRequest),
        ("PUT", "/v2/app/manifests/v1?tag=a".into(), ManifestInvalid, BadRequest),
        ("PUT", format!("/v2/app/manifests/{A}?tag=-a"), ManifestInvalid, BadRequest),
        ("PUT", format!("/v2/app/manifests/{A}?{many_tags}"), Unsupported, UriTooLong),
        ("GET", "/v2/_catalog?n=-1".into(), Unsupported, BadRequest),
        ("GET", "/v2/_catalog?n=1e9".into(), Unsupported, BadRequest),
        ("GET", "/v2/_catalog?n=".into(), Unsupported, BadRequest),
        ("GET", "/v2/_catalog?n=1&n=2".into(), Unsupported, BadRequest),
        ("GET", "/v2/_catalog?last=%".into(), Unsupported, BadRequest),
        ("GET", "/v2/_catalog?last=%zz".into(), Unsupported, BadRequest),
        ("GET", "/v2/_catalog?last=%00".into(), Unsupported, BadRequest),
        ("GET", "/v2/_catalog?last=%ff".into(), Unsupported, BadRequest),
        ("GET", "/v2/_catalog?last=a%0ab".into(), Unsupported, BadRequest),
        (
            "GET",
            format!("/v2/_catalog?{}", (0..300).map(|i| format!("k{i}=v")).collect::<Vec<_>>().join("&")),
            Unsupported,
            UriTooLong,
        ),
    ];
    for (method, target, code, reason) in cases {
        let refusal = of(method, &target).expect_err(&target);
        assert_eq!((refusal.code, refusal.reason), (code, reason), "{method} {target}: {}", refusal.message);
        assert!(!refusal.message.is_empty());
    }
}

#[test]
fn the_component_of_the_health_path_is_reserved_only_as_the_first() {
    assert!(of("GET", "/v2/team/health/manifests/v1").is_ok());
    assert!(of("GET", "/v2/healthy/manifests/v1").is_ok());
    assert!(route("GET", "/v2/health/manifests/v1", None, "").is_ok());
}

proptest! {
    #[test]
    fn no_target_makes_the_router_panic(path in "(/v2)?[ -~é]{0,60}", query in proptest::option::of("[ -~é]{0,40}")) {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", ""] {
            let _ = route(method, &path, query.as_deref(), "health");
        }
    }

    #[test]
    fn an_action_names_the_repository_of_its_path(name in "[a-z0-9]{1,4}([._/-][a-z0-9]{1,4}){0,4}", tag in "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,20}") {
        match of("GET", &format!("/v2/{name}/manifests/{tag}")) {
            Ok(action) => prop_assert_eq!(action.repository().map(|r| r.as_str().to_owned()), Some(name)),
            Err(refusal) => prop_assert!(refusal.message.contains("cannot begin"), "{}", refusal.message),
        }
    }
}
