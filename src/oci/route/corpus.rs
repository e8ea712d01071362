//! Tests that cross every endpoint with every method, hostile segments, queries and names made of the paths' own words.

use proptest::prelude::*;

use super::*;

const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

const METHODS: [&str; 10] =
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get"];

/// Every endpoint: method, path, query, the kind and access of its action. `NAME`, `TAG`, `DIGEST` and `SESSION` are
/// slots.
const ENDPOINTS: [(&str, &str, Option<&str>, &str, Access); 20] = [
    ("GET", "/v2/", None, "ping", Access::Ping),
    ("GET", "/v2/_catalog", None, "catalog", Access::Catalog),
    ("GET", "/v2/NAME/tags/list", None, "tags", Access::Read),
    ("GET", "/v2/NAME/referrers/DIGEST", None, "referrers", Access::Read),
    ("GET", "/v2/NAME/manifests/TAG", None, "manifest.get", Access::Read),
    ("GET", "/v2/NAME/manifests/DIGEST", None, "manifest.get", Access::Read),
    ("HEAD", "/v2/NAME/manifests/TAG", None, "manifest.head", Access::Read),
    ("HEAD", "/v2/NAME/manifests/DIGEST", None, "manifest.head", Access::Read),
    ("PUT", "/v2/NAME/manifests/TAG", None, "manifest.put", Access::Write),
    ("PUT", "/v2/NAME/manifests/DIGEST", Some("tag=a&tag=b"), "manifest.put", Access::Write),
    ("DELETE", "/v2/NAME/manifests/TAG", None, "manifest.delete", Access::Delete),
    ("DELETE", "/v2/NAME/manifests/DIGEST", None, "manifest.delete", Access::Delete),
    ("GET", "/v2/NAME/blobs/DIGEST", None, "blob.get", Access::Read),
    ("HEAD", "/v2/NAME/blobs/DIGEST", None, "blob.head", Access::Read),
    ("DELETE", "/v2/NAME/blobs/DIGEST", None, "blob.delete", Access::Delete),
    ("POST", "/v2/NAME/blobs/uploads/", Some("from=a"), "upload.start", Access::Write),
    ("GET", "/v2/NAME/blobs/uploads/SESSION", None, "upload.status", Access::Write),
    ("PATCH", "/v2/NAME/blobs/uploads/SESSION", None, "upload.patch", Access::Write),
    (
        "PUT",
        "/v2/NAME/blobs/uploads/SESSION",
        Some("digest=sha256%3aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
        "upload.put",
        Access::Write,
    ),
    ("DELETE", "/v2/NAME/blobs/uploads/SESSION", None, "upload.cancel", Access::Write),
];

/// What no name, tag, digest or session may hold.
const HOSTILE: [&str; 28] = [
    "",
    ".",
    "..",
    "../..",
    "a/../b",
    "./a",
    "%",
    "%2e%2e",
    "%2F%2F..%2F",
    "a%2fb",
    "a%00",
    "%3A",
    "a%5cb",
    "%c0%af",
    "a\\b",
    "\\..\\",
    "a\0",
    "a\n",
    "a\r\nX: y",
    "a\tb",
    "a b",
    "a\u{7f}",
    "\u{1b}[2J",
    "é",
    "\u{202e}a",
    "\u{ff0f}",
    "a#b",
    "a?b",
];

fn filled(template: &str, slot: &str, value: &str) -> String {
    let path = template.replace(slot, value);
    path.replace("NAME", "team/app")
        .replace("TAG", "1.2.3")
        .replace("DIGEST", DIGEST)
        .replace("SESSION", "s-1")
}

fn plain(template: &str) -> String {
    filled(template, "NAME", "team/app")
}

#[test]
fn every_endpoint_says_what_it_is_and_needs() {
    for (method, template, query, kind, access) in ENDPOINTS {
        let action = route(method, &plain(template), query, "health").unwrap();
        assert_eq!((action.kind(), action.access()), (kind, access), "{method} {template}");
        let named = template.contains("NAME").then_some("team/app");
        assert_eq!(action.repository().map(RepositoryName::as_str), named);
    }
}

#[test]
fn a_hostile_segment_is_refused_in_every_slot_of_every_endpoint() {
    let mut tried = 0;
    for (method, template, query, ..) in ENDPOINTS {
        for slot in ["NAME", "TAG", "DIGEST", "SESSION"].into_iter().filter(|slot| template.contains(slot)) {
            for hostile in HOSTILE {
                let path = filled(template, slot, hostile);
                assert!(route(method, &path, query, "health").is_err(), "{method} {path:?}");
                tried += 1;
            }
        }
    }
    assert!(tried > 900);
}

#[test]
fn a_path_that_is_only_nearly_an_endpoint_is_refused() {
    let changes: [fn(&str) -> String; 12] = [
        |path| format!("{path}/"),
        |path| format!("/{path}"),
        |path| format!("http://host{path}"),
        |path| format!("//host{path}"),
        |path| path.replacen("/v2/", "/V2/", 1),
        |path| path.replacen("/v2/", "/v2//", 1),
        |path| path.replacen("/v2/", "/v1/", 1),
        |path| path.replacen("/v2/", "/./v2/", 1),
        |path| path.replacen("/v2/", "v2/", 1),
        |path| path.replacen("/v2/", "/v2/../v2/", 1),
        |path| path.replacen("/v2/", "/v2%2f", 1),
        |path| format!("{path} HTTP/1.1"),
    ];
    for (method, template, query, ..) in ENDPOINTS {
        for change in changes {
            let path = change(&plain(template));
            assert!(route(method, &path, query, "health").is_err(), "{method} {path:?}");
        }
    }
    for path in ["", "*", "/v", "/v2x", "/v2/a", "/v2/a/b/c", "/v2/_catalog/", "/v2/_other", "/v2/index.yaml"]
    {
        assert!(route("GET", path, None, "health").is_err(), "{path:?}");
    }
}

#[test]
fn the_allowed_methods_of_a_refusal_are_those_that_work() {
    for (_, template, ..) in ENDPOINTS {
        let path = plain(template);
        let query = Some(format!("digest={DIGEST}"));
        let answers = METHODS.map(|method| (method, route(method, &path, query.as_deref(), "health")));
        let works: Vec<_> =
            answers.iter().filter(|(_, answer)| answer.is_ok()).map(|(method, _)| *method).collect();
        for (method, answer) in answers {
            let Err(refusal) = answer else { continue };
            let Reason::MethodNotAllowed(allow) = refusal.reason else {
                panic!("{method} {path}: {refusal:?}")
            };
            assert_eq!(refusal.code, ErrorCode::Unsupported);
            let mut allowed: Vec<_> = allow.split(", ").collect();
            allowed.sort_by_key(|method| METHODS.iter().position(|known| known == method));
            assert_eq!(allowed, works, "{method} {path}");
            assert!(refusal.message.contains(allow));
        }
    }
}

#[test]
fn the_size_of_a_page_is_capped_before_anything_is_counted_out() {
    let listings = [
        ("/v2/_catalog".to_owned(), MAX_PAGE),
        ("/v2/app/tags/list".to_owned(), MAX_TAGS_PAGE),
        (format!("/v2/app/referrers/{DIGEST}"), MAX_PAGE),
    ];
    for (path, cap) in listings {
        let capped = [
            ("0".to_owned(), 0),
            ("1".to_owned(), 1),
            ("007".to_owned(), 7),
            (cap.to_string(), cap),
            ((cap + 1).to_string(), cap),
            ("2147483648".to_owned(), cap),
            ("9223372036854775808".to_owned(), cap),
            ("18446744073709551616".to_owned(), cap),
            ("9".repeat(5_000), cap),
            ("%31".to_owned(), 1),
        ];
        for (n, expected) in capped {
            let action = route("GET", &path, Some(&format!("n={n}")), "").unwrap();
            let (Action::Catalog { page } | Action::Tags { page, .. } | Action::Referrers { page, .. }) =
                action
            else {
                panic!("{path} is a listing")
            };
            assert_eq!(page.n, Some(expected), "{path} {n:.20}");
        }
        for query in
            ["n=-1", "n=1e9", "n=", "n", "n=+1", "n=%2B1", "n=1.0", "n=0x1", "n=1&n=1", "n=1&n=2", "n=%D9%A1"]
        {
            let refusal = route("GET", &path, Some(query), "").expect_err(query);
            assert_eq!(refusal.reason, Reason::BadRequest, "{path} {query}");
        }
    }
}

#[test]
fn a_query_is_read_the_same_at_every_endpoint() {
    for (method, template, query, ..) in ENDPOINTS {
        let path = plain(template);
        let own = query.unwrap_or_default();
        let plainly = route(method, &path, query, "health");
        for unknown in ["ns=docker.io", "x=%20+y", "", "&", "x", "x=a=b", "%78=1"] {
            let extended = format!("{own}&{unknown}");
            assert_eq!(
                route(method, &path, Some(&extended), "health"),
                plainly,
                "{method} {path}?{extended}"
            );
        }
        for broken in
            ["x=%", "x=%4", "x=%zz", "x=%+1", "x=%00", "x=%ff", "x=%0a", "%=x", "x=1&x=1", "x=1&%78=1"]
        {
            let extended = format!("{own}&{broken}");
            let refusal = route(method, &path, Some(&extended), "health").expect_err(&extended);
            assert_eq!(refusal.reason, Reason::BadRequest, "{method} {path}?{extended}");
        }
    }
}

#[test]
fn up_to_a_hundred_tags_go_with_one_manifest() {
    let put = |count: usize| {
        let query = (0..count).map(|i| format!("tag=t{i}")).collect::<Vec<_>>().join("&");
        route("PUT", &plain("/v2/NAME/manifests/DIGEST"), Some(&query), "")
    };
    for count in [0, 1, 10, 100] {
        assert!(matches!(put(count), Ok(Action::PutManifest { tags, .. }) if tags.len() == count));
    }
    assert_eq!(put(101).map_err(|refusal| refusal.reason), Err(Reason::UriTooLong));
    assert_eq!(put(10_000).map_err(|refusal| refusal.reason), Err(Reason::UriTooLong));
}

proptest! {
    #[test]
    fn names_made_of_the_words_of_the_paths_are_told_from_them(
        words in prop::collection::vec(prop::sample::select(vec!["blobs", "uploads", "manifests", "tags", "list", "referrers"]), 1..6)
    ) {
        let name = words.join("/");
        for (method, template, query, kind, _) in ENDPOINTS.into_iter().filter(|endpoint| endpoint.1.contains("NAME")) {
            let action = route(method, &filled(template, "NAME", &name), query, "health").unwrap();
            prop_assert_eq!(action.repository().map(RepositoryName::as_str), Some(name.as_str()));
            prop_assert_eq!(action.kind(), kind);
        }
    }

    #[test]
    fn whatever_is_routed_is_rebuilt_from_its_parts(path in "/v2/[a-z/._-]{1,12}/(manifests|blobs/uploads)/[a-z0-9._/-]{1,8}") {
        let rebuilt = match route("GET", &path, None, "health") {
            Ok(Action::GetManifest { repository, reference }) => format!("/v2/{repository}/manifests/{reference}"),
            Ok(Action::UploadStatus { repository, session }) => format!("/v2/{repository}/blobs/uploads/{session}"),
            _ => path.clone(),
        };
        prop_assert_eq!(rebuilt, path);
    }
}
