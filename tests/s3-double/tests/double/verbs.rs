//! The operations, without faults.

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use s3_double::Counts;

use crate::support::{BUCKET, Told, client, get, list, put, refused, started, told};

#[tokio::test]
async fn what_is_put_is_read_and_listed_until_it_is_deleted() {
    let (double, client) = started().await;
    assert_eq!(put(&client, "ns/a b+ü&<>", "hello").await, Told::Done);
    assert_eq!(double.objects(BUCKET)["ns/a b+ü&<>"], "hello");
    assert_eq!(get(&client, "ns/a b+ü&<>").await.expect("read"), "hello");
    assert_eq!(list(&client, "ns/").await.expect("list"), ["ns/a b+ü&<>"]);
    let head = client.head_object().bucket(BUCKET).key("ns/a b+ü&<>").send().await.expect("head");
    assert_eq!(head.content_length(), Some(5));

    client.delete_object().bucket(BUCKET).key("ns/a b+ü&<>").send().await.expect("delete");
    assert_eq!(get(&client, "ns/a b+ü&<>").await, Err(refused(404, "NoSuchKey")));
    assert_eq!(
        told(client.head_object().bucket(BUCKET).key("ns/a b+ü&<>").send().await),
        refused(404, "NotFound")
    );
    // What is not there is deleted as well.
    client.delete_object().bucket(BUCKET).key("ns/a b+ü&<>").send().await.expect("delete");
}

#[tokio::test]
async fn bodies_large_and_empty_come_back_as_they_were() {
    let (_double, client) = started().await;
    for length in [0, 1, 3 << 20] {
        let body: Vec<u8> = (0..length).map(|n| n as u8).collect();
        assert_eq!(put(&client, "key", body.clone()).await, Told::Done);
        assert_eq!(get(&client, "key").await.expect("read"), body);
    }
}

#[tokio::test]
async fn a_range_gives_its_part_and_past_the_end_is_refused() {
    let (double, client) = started().await;
    double.put(BUCKET, "key", "0123456789");
    let range = async |range: &str| client.get_object().bucket(BUCKET).key("key").range(range).send().await;
    for (asked, part, shown) in [
        ("bytes=2-4", "234", "bytes 2-4/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=8-100", "89", "bytes 8-9/10"),
        ("bytes=-1", "9", "bytes 9-9/10"),
    ] {
        let output = range(asked).await.expect("read a range");
        assert_eq!(output.content_range(), Some(shown));
        assert_eq!(output.body.collect().await.expect("a body").into_bytes(), part);
    }
    assert_eq!(told(range("bytes=10-").await), refused(416, "InvalidRange"));
}

#[tokio::test]
async fn a_listing_is_in_byte_order_and_in_pages() {
    let (double, client) = started().await;
    for key in ["a/1", "a/10", "a/2", "a/Z", "a/ä", "a0", "b/1", "a"] {
        double.put(BUCKET, key, "");
    }
    let all = ["a/1", "a/10", "a/2", "a/Z", "a/ä"];
    assert_eq!(list(&client, "a/").await.expect("list"), all);

    let mut pages = client.list_objects_v2().bucket(BUCKET).prefix("a/").max_keys(2).into_paginator().send();
    let mut paged = Vec::new();
    while let Some(page) = pages.next().await {
        paged.push(keys(&page.expect("a page")));
    }
    assert_eq!(paged, [vec!["a/1", "a/10"], vec!["a/2", "a/Z"], vec!["a/ä"]]);

    let after = async |after: &str| {
        let output = client.list_objects_v2().bucket(BUCKET).prefix("a/").start_after(after).send().await;
        output.expect("list").contents().len()
    };
    assert_eq!((after("a/10").await, after("a/11").await, after("A").await, after("a0").await), (3, 3, 5, 0));
    let none = client.list_objects_v2().bucket(BUCKET).max_keys(0).send().await.expect("list");
    assert_eq!((none.contents().len(), none.is_truncated()), (0, Some(false)));
}

#[tokio::test]
async fn a_page_has_a_thousand_keys_at_most() {
    let (double, client) = started().await;
    for n in 0..1001 {
        double.put(BUCKET, &format!("{n:04}"), "");
    }
    let page = client.list_objects_v2().bucket(BUCKET).max_keys(5000).send().await.expect("list");
    assert_eq!((page.contents().len(), page.is_truncated()), (1000, Some(true)));
}

#[tokio::test]
async fn many_are_deleted_at_once() {
    let (double, client) = started().await;
    for key in ["a", "b", "c&d"] {
        double.put(BUCKET, key, "");
    }
    let objects =
        ["a", "c&d", "missing"].map(|key| ObjectIdentifier::builder().key(key).build().expect("a key"));
    let delete = Delete::builder().set_objects(Some(objects.to_vec())).build().expect("keys");
    let output = client.delete_objects().bucket(BUCKET).delete(delete).send().await.expect("delete");
    assert_eq!((output.deleted().len(), output.errors().len()), (3, 0));
    assert_eq!(double.objects(BUCKET).into_keys().collect::<Vec<_>>(), ["b"]);
}

#[tokio::test]
async fn a_copy_has_the_bytes_of_its_source() {
    let (double, client) = started().await;
    double.put(BUCKET, "old", "bytes");
    let copy =
        async |from: &str| client.copy_object().bucket(BUCKET).key("new").copy_source(from).send().await;
    copy("charts/old").await.expect("copy");
    assert_eq!(double.objects(BUCKET)["new"], "bytes");
    assert_eq!(told(copy("charts/missing").await), refused(404, "NoSuchKey"));
}

#[tokio::test]
async fn a_bucket_must_be_made_before_it_is_used() {
    let (double, client) = started().await;
    let missing = refused(404, "NoSuchBucket");
    let put = async || client.put_object().bucket("other").key("key").send().await;
    assert_eq!(told(put().await), missing);
    assert_eq!(told(client.get_object().bucket("other").key("key").send().await), missing);
    assert_eq!(told(client.list_objects_v2().bucket("other").send().await), missing);
    assert_eq!(told(client.delete_object().bucket("other").key("key").send().await), missing);
    client.create_bucket().bucket("other").send().await.expect("make a bucket");
    assert_eq!(told(put().await), Told::Done);
    assert_eq!(
        told(client.create_bucket().bucket("other").send().await),
        refused(409, "BucketAlreadyOwnedByYou")
    );
    assert_eq!(double.objects("other").len(), 1);
}

#[tokio::test]
async fn what_would_be_ignored_is_refused() {
    let (_double, client) = started().await;
    let put = client.put_object().bucket(BUCKET).key("key").if_match("\"tag\"").send().await;
    assert_eq!(told(put), refused(501, "NotImplemented"));
    let list = client.list_objects_v2().bucket(BUCKET).delimiter("/").send().await;
    assert_eq!(told(list), refused(501, "NotImplemented"));
}

#[tokio::test]
async fn requests_are_counted_by_operation_failed_ones_included() {
    let (double, client) = started().await;
    put(&client, "key", "").await;
    let _ = get(&client, "key").await;
    let _ = get(&client, "missing").await;
    let _ = client.head_object().bucket(BUCKET).key("key").send().await;
    let _ = list(&client, "").await;
    let _ = client.copy_object().bucket(BUCKET).key("new").copy_source("charts/key").send().await;
    let _ = client.delete_object().bucket(BUCKET).key("key").send().await;
    let _ = client.create_bucket().bucket("other").send().await;
    let expected = Counts { put: 1, get: 2, head: 1, list: 1, delete: 1, copy: 1, other: 1 };
    assert_eq!(double.counts(), expected);
    assert_eq!(double.counts().total(), 8);
    double.reset_counts();
    assert_eq!(double.counts(), Counts::default());
}

#[tokio::test]
async fn what_is_changed_from_outside_is_seen_and_a_dropped_double_answers_nobody() {
    let (double, sdk) = started().await;
    double.put(BUCKET, "key", "1");
    assert_eq!(get(&sdk, "key").await.expect("read"), "1");
    assert_eq!(double.remove(BUCKET, "key").expect("an object"), "1");
    assert_eq!(get(&sdk, "key").await, Err(refused(404, "NoSuchKey")));
    let newcomer = client(&double);
    drop(double);
    assert_eq!(get(&sdk, "key").await, Err(Told::Nothing));
    assert_eq!(get(&newcomer, "key").await, Err(Told::Nothing));
}

fn keys(page: &ListObjectsV2Output) -> Vec<String> {
    page.contents().iter().filter_map(|object| object.key()).map(str::to_owned).collect()
}
