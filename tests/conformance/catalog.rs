//! The catalog, an extension that older clients know (`/v2/_catalog`).

use serde_json::json;

use crate::support::app::{TestServer, on_every_backend};
use crate::support::artifact::image;
use crate::support::registry::{assert_refused, assert_status, next_page};

/// In byte order of the whole name: `-` and `.` stand before `/`, and `/` before letters and digits.
const REPOSITORIES: [&str; 7] = ["app", "app-x", "app/sub", "app0", "team/app", "team/app/sub", "zoo"];

async fn push_all(server: &TestServer) {
    for repository in REPOSITORIES.iter().rev() {
        server.push_image(repository, "1.0.0", &image(repository)).await;
    }
}

#[tokio::test]
async fn an_empty_registry_has_an_empty_catalog() {
    on_every_backend(async |server| {
        let empty = server.get("/v2/_catalog").await;
        assert_status(&empty, 200);
        assert_eq!(empty.json(), json!({"repositories": []}));
        assert_eq!(next_page(&empty), None);
    })
    .await;
}

#[tokio::test]
async fn every_repository_is_listed_once_in_order() {
    on_every_backend(async |server| {
        push_all(&server).await;
        push_all(&server).await;
        let all = server.get("/v2/_catalog").await;
        assert_status(&all, 200);
        assert_eq!(all.header("content-type"), Some("application/json"));
        assert_eq!(all.json(), json!({"repositories": REPOSITORIES}));
    })
    .await;
}

#[tokio::test]
async fn pages_of_any_size_give_the_same_catalog() {
    on_every_backend(async |server| {
        push_all(&server).await;
        for n in 1..=REPOSITORIES.len() + 1 {
            let (all, pages) = server.pages(&format!("/v2/_catalog?n={n}"), "repositories").await;
            assert_eq!(json!(all), json!(REPOSITORIES), "n={n}");
            assert_eq!(pages, REPOSITORIES.len().div_ceil(n), "n={n}");
        }
    })
    .await;
}

#[tokio::test]
async fn last_starts_after_a_name_whether_it_exists_or_not() {
    let cases: [(&str, &[&str]); 6] = [
        ("?last=app", &REPOSITORIES[1..]),
        ("?last=app%2Fsub", &REPOSITORIES[3..]),
        ("?last=b", &REPOSITORIES[4..]),
        ("?last=team/app&n=1", &REPOSITORIES[5..6]),
        ("?last=zoo", &[]),
        ("?n=0", &[]),
    ];
    on_every_backend(async |server| {
        push_all(&server).await;
        for (query, expected) in cases {
            let page = server.get(format!("/v2/_catalog{query}")).await;
            assert_status(&page, 200);
            assert_eq!(page.json()["repositories"], json!(expected), "{query}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_page_that_cannot_be_understood_is_refused() {
    on_every_backend(async |server| {
        for query in ["?n=-1", "?n=x", "?n=", "?n=1&n=2", "?n=1.5"] {
            println!("{query}");
            assert_refused(&server.get(format!("/v2/_catalog{query}")).await, 400, &["UNSUPPORTED"]);
        }
    })
    .await;
}
