//! Writes that must find nothing.

use std::collections::HashSet;

use s3_double::Double;
use tokio::task::JoinSet;

use crate::support::{BUCKET, Told, put, put_if_absent, refused, started, told};

const WRITERS: usize = 8;

#[tokio::test]
async fn a_second_conditional_put_is_refused() {
    let (double, client) = started().await;
    assert_eq!(put_if_absent(&client, "key", "first").await, Told::Done);
    assert_eq!(put_if_absent(&client, "key", "second").await, refused(412, "PreconditionFailed"));
    assert_eq!(double.objects(BUCKET)["key"], "first");
    assert_eq!(put(&client, "key", "third").await, Told::Done);
    assert_eq!(double.objects(BUCKET)["key"], "third");
    double.remove(BUCKET, "key");
    assert_eq!(put_if_absent(&client, "key", "fourth").await, Told::Done);
}

#[tokio::test]
async fn a_conditional_copy_is_refused_where_something_is() {
    let (double, client) = started().await;
    double.put(BUCKET, "source", "new");
    double.put(BUCKET, "taken", "old");
    for (target, outcome) in [("free", Told::Done), ("taken", refused(412, "PreconditionFailed"))] {
        let copy = client.copy_object().bucket(BUCKET).key(target).copy_source("charts/source");
        assert_eq!(told(copy.if_none_match("*").send().await), outcome);
    }
    assert_eq!(
        (&*double.objects(BUCKET)["free"], &*double.objects(BUCKET)["taken"]),
        (&b"new"[..], &b"old"[..])
    );
}

#[tokio::test]
async fn of_simultaneous_conditional_puts_exactly_one_wins() {
    let (double, client) = started().await;
    for round in 0..50 {
        let winners = race(&client, round).await;
        assert_eq!(winners.len(), 1, "round {round}");
        assert_eq!(stored(&double, round), winners[0], "round {round}");
    }
}

#[tokio::test]
async fn several_win_where_writes_are_not_atomic() {
    let (double, client) = started().await;
    double.set_atomic(false);
    let mut most = 0;
    for round in 0..50 {
        let winners = race(&client, round).await;
        assert!(winners.contains(&stored(&double, round)), "round {round}");
        most = most.max(winners.len());
    }
    assert!(most > 1, "there was one winner in each round");
    assert_eq!(put_if_absent(&client, "round/0", "late").await, refused(412, "PreconditionFailed"));
    double.set_atomic(true);
    assert_eq!(race(&client, 50).await.len(), 1);
}

/// The bodies of those who were told that they won; all others were told that the key is there.
async fn race(client: &aws_sdk_s3::Client, round: usize) -> Vec<String> {
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let client = client.clone();
        writers.spawn(async move {
            let body = format!("writer {writer}");
            (put_if_absent(&client, &format!("round/{round}"), body.clone()).await, body)
        });
    }
    let outcomes = writers.join_all().await;
    let bodies: HashSet<_> = outcomes.iter().map(|(_, body)| body).collect();
    assert_eq!(bodies.len(), WRITERS);
    let lost = outcomes.iter().filter(|(told, _)| *told == refused(412, "PreconditionFailed")).count();
    let winners: Vec<_> =
        outcomes.into_iter().filter(|(told, _)| *told == Told::Done).map(|(_, body)| body).collect();
    assert_eq!(winners.len() + lost, WRITERS);
    winners
}

fn stored(double: &Double, round: usize) -> String {
    String::from_utf8_lossy(&double.objects(BUCKET)[&format!("round/{round}")]).into_owned()
}
