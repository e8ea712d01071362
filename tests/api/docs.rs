//! The examples of docs/api.md, run against the server: each `curl` with what it prints behind it.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{API, metadata, packaged};
use crate::support::app::{TestServer, on_every_backend};
use crate::support::registry::assert_status;

/// Where the page says that the server is.
const SERVER: &str = "http://127.0.0.1:5000";

struct Example {
    target: String,
    output: String,
}

/// Blocks of `sh` that ask the API with curl, each with the block behind it.
fn examples() -> Vec<Example> {
    let page =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/api.md")).expect("docs/api.md");
    let blocks: Vec<(&str, &str)> =
        page.split("```").skip(1).step_by(2).filter_map(|block| block.split_once('\n')).collect();
    let mut examples = Vec::new();
    for pair in blocks.windows(2) {
        let [("sh", command), (_, output)] = pair else { continue };
        let quoted = command.split('\'').nth(1);
        let target =
            quoted.and_then(|url| url.strip_prefix(SERVER)).filter(|_| command.starts_with("curl -s '"));
        examples
            .extend(target.map(|target| Example { target: target.to_owned(), output: (*output).to_owned() }));
    }
    examples
}

/// The chart that the page speaks of.
async fn fill(server: &TestServer) {
    let description = json!({"description": "A web application", "keywords": ["web"]});
    let files = [
        ("README.md", "# App\n"),
        ("values.yaml", "replicas: 1\n"),
        ("values.schema.json", "{\"type\":\"object\"}\n"),
    ];
    let old = packaged(&metadata("app", "1.2.3", description.clone()), &files).signed();
    server.push_release("team/app", "1.2.3", &old).await;
    let files = [("values.yaml", "replicas: 2\n"), ("templates/service.yaml", "kind: Service\n")];
    let new = packaged(&metadata("app", "1.3.0", description), &files);
    server.push_release("team/app", "1.3.0", &new).await;
}

/// Whether `found` is `shown`, in which "..." stands for any text.
fn is_shown(shown: &Value, found: &Value) -> bool {
    match (shown, found) {
        (Value::String(shown), Value::String(_)) if shown == "..." => true,
        (Value::Array(shown), Value::Array(found)) => {
            shown.len() == found.len() && shown.iter().zip(found).all(|(shown, found)| is_shown(shown, found))
        }
        (Value::Object(shown), Value::Object(found)) => {
            let has = |(name, shown)| found.get(name).is_some_and(|found| is_shown(shown, found));
            shown.len() == found.len() && shown.iter().all(has)
        }
        _ => shown == found,
    }
}

#[tokio::test]
async fn the_examples_give_what_the_page_shows() {
    let examples = examples();
    assert!(examples.len() >= 10, "{} examples are found", examples.len());
    assert!(examples.iter().all(|example| example.target.starts_with(API)));
    on_every_backend(async |server| {
        fill(&server).await;
        for Example { target, output } in &examples {
            let answer = server.get(target.as_str()).await;
            assert_status(&answer, 200);
            match serde_json::from_str::<Value>(output) {
                Ok(shown) => assert!(is_shown(&shown, &answer.json()), "{target}: {:#}", answer.json()),
                Err(_) => assert_eq!(answer.text(), *output, "{target}"),
            }
        }
    })
    .await;
}
