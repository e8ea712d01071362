//! The index of a namespace that nothing was pushed to: `helm cm-push` reads it before the first upload.

use charthouse::config::Anonymous;
use charthouse::registry::Policy;
use serde_json::json;

use super::assert_plain;
use crate::support::app::{Kind, TestServer, lenient, settings, where_noise_is_taken};
use crate::support::index::{Index, index_path};
use crate::support::registry::assert_status;

#[tokio::test]
async fn who_may_push_to_a_fresh_namespace_gets_an_empty_index_of_it() {
    where_noise_is_taken(async |server| {
        server.push_version("team/sub/app", "1.0.0").await;
        for namespace in ["", "team", "team/sub/app", "team/su", "other"] {
            let reply = server.get(index_path(namespace)).await;
            assert_status(&reply, 200);
            let index = Index::read(&reply.body);
            assert_eq!((index.entries.len(), index.server_info), (0, Some(json!({}))), "{namespace}");
            let head = server.head(index_path(namespace)).await;
            for header in ["etag", "content-length", "content-type"] {
                assert_eq!(head.header(header), reply.header(header), "{namespace}");
            }
            // The next one is another one.
            server.push_version(format!("{namespace}/next").trim_start_matches('/'), "1.0.0").await;
            let next = server.get(index_path(namespace)).await;
            assert_ne!(next.header("etag"), reply.header("etag"));
            let index = Index::read(&next.body);
            assert_eq!((index.versions("next"), index.server_info.is_none()), (vec!["1.0.0"], true));
        }
    })
    .await;
}

#[tokio::test]
async fn nobody_else_learns_more_than_that_nothing_is_there() {
    let mut readers = settings();
    readers.auth.anonymous = Some(Anonymous::Read);
    let mut read_only = settings();
    read_only.storage.read_only = true;
    for settings in [readers, read_only] {
        let server = TestServer::with_settings(settings).await;
        for namespace in ["", "team"] {
            assert_plain(&server.get(index_path(namespace)).await, 404);
            assert_status(&server.head(index_path(namespace)).await, 404);
        }
    }
}

/// Behind a proxy that takes a prefix off, clients of ChartMuseum's API must be told of it.
#[tokio::test]
async fn an_index_says_below_which_path_the_registry_is_served() {
    let policy = Policy { context_path: "/charts".into(), ..lenient() };
    let (below, plain) =
        (TestServer::start_with(Kind::Memory, policy).await, TestServer::start(Kind::Memory).await);
    let expected = Some(json!({"contextPath": "/charts"}));
    let fresh = below.get("/team/index.yaml").await;
    assert_eq!(Index::read(&fresh.body).server_info, expected);
    below.push_version("team/app", "1.0.0").await;
    let index = below.index("team").await;
    assert_eq!((index.versions("app"), &index.server_info), (vec!["1.0.0"], &expected));
    // Other bytes have another entity tag, also if the rest is the same.
    let tag = plain.get("/team/index.yaml").await;
    assert_ne!(fresh.header("etag"), tag.header("etag"));
}
