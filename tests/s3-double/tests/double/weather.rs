//! Random faults: a client that tries again gets its work done.

use s3_double::Weather;

use crate::support::{BUCKET, Told, put, started};

#[tokio::test]
async fn a_client_that_tries_again_gets_through_the_weather() {
    let (double, client) = started().await;
    double.set_weather(Some(Weather { seed: 1, one_in: 3 }));
    let mut failures = 0;
    for n in 0..60 {
        while put(&client, &format!("{n}"), "body").await != Told::Done {
            failures += 1;
        }
    }
    assert!((10..100).contains(&failures), "{failures}");
    assert_eq!(double.objects(BUCKET).len(), 60);
    double.deliver().await;
    assert_eq!((double.objects(BUCKET).len(), double.late()), (60, 0));
}

#[tokio::test]
async fn the_same_seed_strikes_the_same_requests_until_the_weather_ends() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let (double, client) = started().await;
        double.set_weather(Some(Weather { seed: 5, one_in: 2 }));
        let mut outcomes = Vec::new();
        for _ in 0..30 {
            outcomes.push(put(&client, "key", "").await);
        }
        assert!(outcomes.contains(&Told::Nothing) && outcomes.contains(&Told::Done), "{outcomes:?}");
        double.set_weather(None);
        for _ in 0..10 {
            assert_eq!(put(&client, "key", "").await, Told::Done);
        }
        runs.push(outcomes);
    }
    assert_eq!(runs[0], runs[1]);
}
