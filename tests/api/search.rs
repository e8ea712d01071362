//! Search: what is found, and in which order.

use serde_json::json;

use super::{listed, push};
use crate::support::app::{TestServer, on_every_backend};

async fn fill(server: &TestServer) {
    push(server, "team/nginx", "1.0.0", json!({"description": "A web server"})).await;
    push(server, "team/nginx-ingress", "1.0.0", json!({"keywords": ["Proxy", "HTTP"]})).await;
    push(server, "team/my-nginx", "1.0.0", json!({})).await;
    push(server, "team/apache", "1.0.0", json!({"keywords": ["nginx"], "maintainers": [{"name": "Ada"}]}))
        .await;
    push(server, "team/blog", "1.0.0", json!({"description": "Served by NGINX"})).await;
    push(server, "other/blog", "1.0.0", json!({"annotations": {"example.org/by": "ADA"}})).await;
    push(server, "blog", "1.0.0", json!({"maintainers": [{"email": "äda@example.org"}]})).await;
    // Only the newest version counts.
    push(server, "team/moved", "1.0.0", json!({"keywords": ["nginx"]})).await;
    push(server, "team/moved", "1.1.0", json!({"keywords": ["caddy"]})).await;
}

#[tokio::test]
async fn charts_are_found_by_all_words_the_best_first() {
    let cases: [(&str, &[&str]); 14] = [
        (
            "q=nginx&namespace=team",
            &["team/nginx", "team/nginx-ingress", "team/my-nginx", "team/apache", "team/blog"],
        ),
        ("q=NGINX&namespace=team&n=2", &["team/nginx", "team/nginx-ingress"]),
        ("q=ingress%20nginx", &["team/nginx-ingress"]),
        ("q=nginx+proxy", &["team/nginx-ingress"]),
        ("q=nginx%20server", &["team/nginx"]),
        ("q=ada", &["other/blog", "team/apache"]),
        ("q=%C3%84da", &["blog"]),
        ("q=blog", &["blog", "other/blog", "team/blog"]),
        ("q=blog&namespace=", &["blog"]),
        ("q=caddy", &["team/moved"]),
        ("q=example.org", &["blog", "other/blog"]),
        ("q=nothing%20nginx", &[]),
        ("q=.*", &[]),
        ("q=&namespace=other", &["other/blog"]),
    ];
    on_every_backend(async |server| {
        fill(&server).await;
        for (query, expected) in cases {
            let found = listed(&server, &format!("/search?{query}"), "charts", "/repository").await;
            assert_eq!(found, expected, "{query}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_push_is_found_by_the_next_search() {
    on_every_backend(async |server| {
        for n in 0..10 {
            push(&server, "team/app", &format!("1.0.{n}"), json!({"keywords": [format!("word{n}")]})).await;
            let target = format!("/search?q=word{n}");
            assert_eq!(listed(&server, &target, "charts", "/newest/version").await, [format!("1.0.{n}")]);
            let before = format!("/search?q=word{}&namespace=team", n + 1);
            assert_eq!(listed(&server, &before, "charts", "/repository").await, [] as [&str; 0]);
        }
    })
    .await;
}
