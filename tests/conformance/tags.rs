//! Listing tags (distribution-spec "Listing tags", end-8).

use serde_json::{Value, json};

use crate::support::app::{TestServer, on_every_backend};
use crate::support::artifact::image;
use crate::support::http::Response;
use crate::support::registry::{assert_refused, assert_status, manifest_path, next_page};

/// In byte order: digits, upper case, `_`, lower case.
const SORTED: [&str; 9] = ["0.1.0", "1.0.0", "1.10.0", "1.2.0", "A", "Z", "_x", "a", "b"];

async fn push_tags<'a>(server: &TestServer, tags: impl IntoIterator<Item = &'a str>) {
    let image = image("tagged");
    server.push_blobs("team/app", &image).await;
    for tag in tags {
        server.push_manifest("team/app", tag, &image.manifest).await;
    }
}

async fn list(server: &TestServer, query: &str) -> Response {
    let page = server.get(format!("/v2/team/app/tags/list{query}")).await;
    assert_status(&page, 200);
    assert_eq!(page.header("content-type"), Some("application/json"));
    page
}

fn tags(page: &Response) -> Value {
    let body = page.json();
    assert_eq!(body["name"], "team/app");
    body["tags"].clone()
}

#[tokio::test]
async fn tags_are_listed_in_byte_order() {
    on_every_backend(async |server| {
        push_tags(&server, SORTED.into_iter().rev()).await;
        let all = list(&server, "").await;
        assert_eq!(tags(&all), json!(SORTED));
        assert_eq!(next_page(&all), None);
    })
    .await;
}

#[tokio::test]
async fn n_and_last_choose_the_page() {
    let cases: [(&str, &[&str], bool); 15] = [
        ("?n=0", &[], false),
        ("?n=1", &SORTED[..1], true),
        ("?n=4", &SORTED[..4], true),
        ("?n=8", &SORTED[..8], true),
        ("?n=9", &SORTED, false),
        ("?n=10", &SORTED, false),
        ("?n=2&last=1.10.0", &SORTED[3..5], true),
        ("?last=1.10.0&n=2", &SORTED[3..5], true),
        ("?n=2&last=Z", &SORTED[6..8], true),
        ("?n=3&last=Z", &SORTED[6..], false),
        ("?last=Z", &SORTED[6..], false),
        ("?last=b", &[], false),
        // A tag that does not exist, or no longer, still has its place in the order.
        ("?last=1.1.0", &SORTED[2..], false),
        ("?n=0&last=A", &[], false),
        ("?last=", &SORTED, false),
    ];
    on_every_backend(async |server| {
        push_tags(&server, SORTED).await;
        for (query, expected, more) in cases {
            println!("{query}");
            let page = list(&server, query).await;
            assert_eq!(tags(&page), json!(expected));
            assert_eq!(next_page(&page).is_some(), more);
        }
    })
    .await;
}

#[tokio::test]
async fn following_the_links_gives_every_tag_once() {
    on_every_backend(async |server| {
        push_tags(&server, SORTED).await;
        for n in 1..=SORTED.len() {
            let (all, pages) = server.pages(&format!("/v2/team/app/tags/list?n={n}"), "tags").await;
            assert_eq!(json!(all), json!(SORTED), "n={n}");
            assert_eq!(pages, SORTED.len().div_ceil(n), "n={n}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_listing_without_n_gives_every_tag_over_its_pages() {
    on_every_backend(async |server| {
        let image = image("many");
        server.push_blobs("team/app", &image).await;
        let mut expected = Vec::new();
        for batch in 0..120 {
            let names: Vec<_> = (0..10).map(|n| format!("tag-{batch:03}-{n}")).collect();
            let query: Vec<_> = names.iter().map(|name| format!("tag={name}")).collect();
            let reference = format!("{}?{}", image.manifest.digest, query.join("&"));
            server.push_manifest("team/app", &reference, &image.manifest).await;
            expected.extend(names);
        }
        for query in ["", "?n=1000000", "?n=7"] {
            let (all, _) = server.pages(&format!("/v2/team/app/tags/list{query}"), "tags").await;
            assert!(json!(all) == json!(expected), "{query}: {} of {}", all.len(), expected.len());
        }
    })
    .await;
}

#[tokio::test]
async fn an_n_beyond_every_page_is_answered_with_what_there_is() {
    on_every_backend(async |server| {
        push_tags(&server, SORTED).await;
        for n in ["10000", "2147483648", "4294967296", "9223372036854775808", "18446744073709551616"] {
            assert_eq!(tags(&list(&server, &format!("?n={n}")).await), json!(SORTED), "n={n}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_page_that_cannot_be_understood_is_refused() {
    on_every_backend(async |server| {
        push_tags(&server, SORTED).await;
        for query in
            ["?n=-1", "?n=", "?n=x", "?n=1e3", "?n=1.0", "?n=0x10", "?n=%201", "?n=1&n=2", "?last=a&last=b"]
        {
            let refused = server.get(format!("/v2/team/app/tags/list{query}")).await;
            println!("{query}");
            assert_refused(&refused, 400, &["UNSUPPORTED"]);
        }
    })
    .await;
}

#[tokio::test]
async fn an_unknown_repository_has_no_list() {
    on_every_backend(async |server| {
        assert_refused(&server.get("/v2/no/such/tags/list").await, 404, &["NAME_UNKNOWN"]);
    })
    .await;
}

#[tokio::test]
async fn a_repository_without_tags_has_an_empty_list() {
    on_every_backend(async |server| {
        let image = image("no tags");
        server.push_image("team/app", &image.manifest.digest, &image).await;
        assert_eq!(tags(&list(&server, "").await), json!([]));
        server.push_manifest("team/app", "1.0.0", &image.manifest).await;
        assert_status(&server.delete(manifest_path("team/app", "1.0.0")).await, 202);
        assert_eq!(tags(&list(&server, "").await), json!([]));
    })
    .await;
}

#[tokio::test]
async fn repositories_keep_their_tags_apart() {
    on_every_backend(async |server| {
        for repository in ["team/app", "team/app2", "team/app/sub", "app", "other/app"] {
            server.push_image(repository, &repository.replace('/', "-"), &image(repository)).await;
        }
        assert_eq!(tags(&list(&server, "").await), json!(["team-app"]));
    })
    .await;
}
