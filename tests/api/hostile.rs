//! Queries that ask for too much or for nonsense: refused by the rule, and never expensive.

use serde_json::json;

use super::{API, get, metadata, packaged, push};
use crate::support::app::{on_every_backend, where_noise_is_taken};
use crate::support::registry::{assert_refused, assert_status};

const LISTS: [&str; 4] =
    ["/namespaces?", "/charts?namespace=team&", "/search?q=app&", "/charts/team/app/-/versions?"];

#[tokio::test]
async fn a_number_of_entries_is_capped_or_refused() {
    on_every_backend(async |server| {
        push(&server, "team/app", "1.0.0", json!({})).await;
        for list in LISTS {
            for n in ["1000", "1001", "2147483648", "9223372036854775808", "99999999999999999999999999"] {
                let answer = server.get(format!("{API}{list}n={n}")).await;
                assert_status(&answer, 200);
                assert!(answer.body.len() < 1_000, "{list}{n}");
            }
            for query in ["n=-1", "n=1e9", "n=", "n=1&n=1", "n=x"] {
                assert_refused(&server.get(format!("{API}{list}{query}")).await, 400, &["UNSUPPORTED"]);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn what_breaks_a_rule_is_refused_by_it() {
    let many_words = "a%20".repeat(17);
    let long = "x".repeat(257);
    let huge = "x".repeat(20_000);
    let cases = [
        (format!("/search?q={many_words}"), 400),
        (format!("/search?q={long}"), 400),
        (format!("/search?q={huge}"), 400),
        (format!("/charts/team/app/-/resolve?version={long}"), 400),
        (format!("/charts/team/app/-/resolve?version={huge}"), 400),
        (format!("/charts/team/app/-/resolve?version={}", "1||".repeat(80)), 400),
        (format!("/charts/{}", "a/".repeat(600)), 414),
        ("/search?q=%00".to_owned(), 400),
        ("/search?q=%1b%5b31m".to_owned(), 400),
        ("/search?q=%ff".to_owned(), 400),
        ("/search?last=x".to_owned(), 400),
        ("/search?last=5:team/app".to_owned(), 400),
        ("/search?last=-1:team/app".to_owned(), 400),
        ("/search?last=0:..%2F..%2Fapp".to_owned(), 400),
        ("/charts/team/app/-/versions?last=nonsense".to_owned(), 400),
        ("/charts/team/app/-/versions?last=1.0.0%2F..".to_owned(), 400),
        ("/charts/team/app/-/resolve?version=latest".to_owned(), 400),
        ("/charts/team/app/-/resolve?version=%3E%3D".to_owned(), 400),
        ("/charts/team/app/-/resolve?devel=yes".to_owned(), 400),
        ("/charts/team/app/-/diff?from=1.0.0".to_owned(), 400),
        ("/charts/team/app/-/diff?from=1.0.0&to=..%2F1".to_owned(), 400),
        ("/charts?namespace=..%2Fteam".to_owned(), 400),
        ("/charts/..%2Fteam/app".to_owned(), 400),
        ("/charts/team/app/-/versions/..%2F1.0.0".to_owned(), 400),
        ("/namespaces?last=%7F".to_owned(), 400),
    ];
    on_every_backend(async |server| {
        push(&server, "team/app", "1.0.0", json!({})).await;
        for (target, status) in &cases {
            println!("{target:.80}");
            let refused = server.get(format!("{API}{target}")).await;
            let codes = ["UNSUPPORTED", "NAME_INVALID", "MANIFEST_INVALID"];
            assert_refused(&refused, *status, &codes);
            assert!(refused.body.len() < 2_000);
        }
        // Any text may be what a listing by name goes on after.
        for last in ["..%2F..", "%F0%9F%98%80", "zzz", "%20"] {
            for list in ["/namespaces?", "/charts?namespace=team&"] {
                assert_status(&server.get(format!("{API}{list}last={last}")).await, 200);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn no_text_of_a_chart_reaches_a_terminal_as_more_than_text() {
    let hostile = "a\u{1b}[2J\u{9b}31m\u{202e}b\r\n\u{0}\"\\</script>\u{feff}";
    where_noise_is_taken(async |server| {
        let more = json!({"description": hostile, "keywords": [hostile], "annotations": {"k": hostile}});
        let chart = packaged(&metadata("app", "1.0.0", more), &[]);
        server.push_release("team/app", "1.0.0", &chart).await;
        for target in ["/charts?namespace=team", "/search?q=app", "/charts/team/app/-/versions/1.0.0"] {
            let answer = get(&server, target).await;
            let text = answer.text();
            let is_plain =
                |c: char| !c.is_control() && !('\u{2028}'..='\u{202e}').contains(&c) && c != '\u{feff}';
            assert!(text.chars().all(is_plain), "{target}: {text:?}");
            assert!(text.contains("u001b[2J"), "it is there, escaped: {text}");
        }
    })
    .await;
}
