//! `charthouse storage copy` from a directory to a bucket and back.

use std::process::Command;

use super::copy::{copy, fill, folders, serve_the_same, text, worth_copying};
use crate::support::s3::{S3Kind, S3Server};
use crate::support::server::Server;

const LENIENT: (&str, &str) = ("CHARTHOUSE_POLICY_LENIENT", "**");

#[track_caller]
fn succeeds(command: &mut Command) -> String {
    let output = command.output().expect("run it");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_moves_to_a_bucket_and_back_while_it_is_in_use() {
    let Some(service) = S3Server::start(S3Kind::Minio) else { return };
    service.create_bucket("charts");
    let credentials = S3Server::credentials();
    let bucket = format!("s3://charts/moved/here?endpoint={}&path_style=true", service.endpoint());
    let (_root, from, back) = folders();
    let source = Server::start_with(&["--storage", text(&from)], &[LENIENT]);
    fill(source.address()).await;
    let copied = succeeds(copy(&[text(&from), &bucket]).envs(credentials));
    assert!(copied.contains("3 namespaces:"), "{copied}");
    let again = succeeds(copy(&[text(&from), &bucket]).envs(credentials));
    assert!(again.contains("0 commits and 0 objects"), "{again}");

    let variables = [credentials.as_slice(), &[LENIENT]].concat();
    let served = Server::start_with(&["--storage", &bucket], &variables);
    assert_eq!(serve_the_same(&source, &served).await, 17);
    // The bucket is served and written to while it is copied back.
    fill_more(&served).await;
    succeeds(copy(&[&bucket, text(&back)]).envs(credentials));
    source.stop();
    let original = worth_copying(&from);
    let returned = worth_copying(&back);
    for (name, bytes) in &original {
        assert!(returned.get(name) == Some(bytes), "{name}");
    }
    assert!(returned.len() > original.len(), "what was pushed to the bucket is there");
    let last = Server::start_with(&["--storage", text(&back)], &[LENIENT]);
    assert_eq!(serve_the_same(&served, &last).await, 18);
    served.stop();
    last.stop();
}

async fn fill_more(server: &Server) {
    super::copy::push(server.address(), "team/app", "3.0.0", crate::support::artifact::noise("more", 50_000))
        .await;
}
