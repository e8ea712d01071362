//! What the golden store holds: at least one of everything that format v1 knows
//! (docs/internals/storage-format.md#golden-stores).

use std::fs;
use std::time::Duration;

use bytes::Bytes;
use charthouse::journal::{
    BodiesOp, Body, Change, DropOp, EraseOp, FenceOp, PurgeOp, ReapOp, RestoreOp, UndoKey,
};
use charthouse::oci::{Condition, DOCKER_MANIFEST};
use serde_json::json;

use super::writer::{Writer, attached, digest_of, repository_of, tag_of};
use crate::museum::{api, form, upload};
use crate::support::artifact::{
    Blob, Document, IMAGE_CONFIG, IMAGE_LAYER, IMAGE_MANIFEST, Image, NON_DISTRIBUTABLE_LAYER, image,
    image_of, index, noise, referrer, sha256, sha512,
};
use crate::support::charts::{pack, root};
use crate::support::http::Request;
use crate::support::registry::{location, manifest_path, with_digest};
use crate::support::release::Release;

pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Metadata with texts that YAML takes for something else, and numbers that lose digits when they are read as floats.
const TRICKY: &str = r##"{"apiVersion":"v2","name":"tricky","version":"1.0.0+a.b",
"description":"a: \"b\" # c\n\t- d\u007f\u2028","keywords":["yes","1e3","null","~",""],"appVersion":"1.50",
"annotations":{"a/b":"|","number":"0x1F"},"maintainers":[{"name":"Ada","email":"ada@example.com"}],
"unknown":{"deep":[1.50,-0.0,12345678901234567890,null,{}]}}"##;

/// A body of this size is not attached to a commit.
const LARGE: usize = 16_500;

/// Has several data objects.
pub fn large(seed: &str) -> Blob {
    Blob::new(noise(seed, LARGE))
}

/// An image whose layer has several data objects.
pub fn large_image(seed: &str) -> Image {
    image_of(Blob::new(json!({"large": seed}).to_string()), large(seed))
}

/// Charts as they are packed, in `team` and `team/sub`.
pub async fn charts(writer: &Writer) {
    for chart in ["app-1.2.3", "app-1.3.0", "app-2.0.0-rc.1"] {
        writer.send(201, upload("team", &pack(chart, &[]).bytes)).await;
    }
    signed(writer, "team").await;
    for chart in
        ["bom", "build-metadata", "deprecated", "lax-version", "legacy-v1", "library", "unicode", "v-prefix"]
    {
        writer.send(201, upload("team/sub", &pack(chart, &[]).bytes)).await;
    }
    let parent = pack("with-dependency", &[("REGISTRY_HOST", "charts.example.com")]);
    writer.send(201, upload("team/sub", &parent.bytes)).await;
    let tricky = Release::of(TRICKY);
    writer.push("team/sub/tricky", "1.0.0_a.b", &tricky.image()).await;
}

async fn signed(writer: &Writer, namespace: &str) {
    let provenance = fs::read(root().join("signed-1.0.0.tgz.prov")).expect("read the provenance");
    let package = pack("signed", &[]).bytes;
    writer.send(201, form(api(namespace, "charts"), &[("chart", &package), ("prov", &provenance)])).await;
}

/// Artifacts of all kinds in `team/image`.
pub async fn images(writer: &Writer) {
    let (one, two) = (image("one"), image("two"));
    for blob in &one.blobs {
        writer.push_blob("team/image", blob).await;
    }
    let tagged = format!("{}?tag=1.0&tag=1.0.0&tag=latest", one.manifest.digest);
    writer.push_manifest("team/image", &tagged, &one.manifest).await;
    writer.push("team/image", "two", &two).await;
    let all = index(&[&one.manifest, &two.manifest]);
    writer.push_manifest("team/image", "all", &all).await;

    let absent = image("of another registry");
    let about_index = index(&[&two.manifest]).about(&all);
    for (subject, artifact_type) in [
        (&one.manifest, "application/vnd.example.sbom"),
        (&one.manifest, "application/vnd.example.signature"),
        (&absent.manifest, "application/vnd.example.sbom"),
    ] {
        let artifact = referrer(subject, artifact_type, "says something");
        writer.push("team/image", &artifact.manifest.digest, &artifact).await;
    }
    writer.push_manifest("team/image", &about_index.digest, &about_index).await;

    let bytes = noise("named by sha512", 300);
    let long = Blob { digest: sha512(&bytes), bytes };
    writer.push_blob("team/image", &long).await;
    let config = Blob::new("{\"named\":\"by sha512\"}");
    writer.push_blob("team/image", &config).await;
    let document = Document::new(
        IMAGE_MANIFEST,
        &json!({"schemaVersion": 2, "mediaType": IMAGE_MANIFEST, "config": config.descriptor(IMAGE_CONFIG),
            "layers": [long.descriptor(IMAGE_LAYER)]}),
    );
    let document = document.named_by_sha512();
    writer.push_manifest("team/image", &format!("{}?tag=sha512", document.digest), &document).await;

    writer.push_blob("team/image", &Blob::new("")).await;
    writer.push("team/image", "large", &large_image("large")).await;
    // Too large to be attached to its commit, with annotations that are read from there.
    let wide = image("wide");
    let annotated = wide.manifest.with(|value| value["annotations"] = json!({"wide": "w".repeat(17_000)}));
    let annotated = annotated.about(&one.manifest);
    writer.push("team/image", "wide", &Image { manifest: annotated, ..wide }).await;
    // A layer that no repository needs to hold.
    let partly = image("partly");
    let foreign = Blob::new("elsewhere").descriptor(NON_DISTRIBUTABLE_LAYER);
    let manifest = partly.manifest.with(|value| {
        let layers = value["layers"].as_array_mut().expect("layers");
        layers.push(foreign);
    });
    writer.push("team/image", "partly", &Image { manifest, ..partly }).await;
    // The same bytes under another media type.
    let typeless = image("typeless");
    let bare = typeless.manifest.with(|value| drop(value.as_object_mut().map(|map| map.remove("mediaType"))));
    let docker = Document { media_type: DOCKER_MANIFEST.to_owned(), ..bare.clone() };
    writer.push("team/image", "typeless", &Image { manifest: bare, ..typeless }).await;
    writer.push_manifest("team/image", "typeless", &docker).await;

    let mount = format!("/v2/team/base/blobs/uploads/?mount={}&from=team/image", one.blobs[0].digest);
    writer.send(201, Request::post(mount)).await;
    shared_object(writer).await;
    uploads(writer).await;
}

/// Two blobs in one data object, one of which goes on in the commit.
async fn shared_object(writer: &Writer) {
    let pieces = writer.object("team", b"the first;the second", &[10, 10]).await;
    let with_end = vec![pieces[1].clone(), attached(", and its end")];
    for (bytes, pieces) in [("the first;", vec![pieces[0].clone()]), ("the second, and its end", with_end)] {
        let content = Body { size: bytes.len() as u64, pieces };
        let (repository, digest) = (repository_of("team/shared"), digest_of(&sha256(bytes.as_bytes())));
        writer.change("team", Change::Blob { repository, digest, content }).await;
    }
}

/// Chunked uploads: one that was closed, one that was cancelled, and one that nobody went on with.
async fn uploads(writer: &Writer) {
    let (small, rest) = (noise("a small chunk", 100), noise("a large chunk", LARGE));
    for end in ["closed", "cancelled", "unfinished"] {
        let begun = writer.send(202, Request::post("/v2/team/chunked/blobs/uploads/")).await;
        let begun = writer.send(202, Request::patch(location(&begun), small.clone())).await;
        if end == "cancelled" {
            writer.send(204, Request::delete(location(&begun))).await;
            continue;
        }
        let begun = writer.send(202, Request::patch(location(&begun), rest.clone())).await;
        if end == "closed" {
            let digest = sha256(&[&small[..], &rest[..]].concat());
            let target = with_digest(&location(&begun), &digest);
            writer.send(201, Request::put(target, Bytes::new())).await;
        }
    }
}

/// What becomes of it weeks later, in `team`, of which there is a checkpoint by then.
pub async fn changes(writer: &Writer) {
    tags_move(writer).await;
    deletions(writer).await;
    restores(writer).await;
    yanks(writer).await;
    removals_for_good(writer).await;
    collection(writer).await;
    marks(writer).await;
    together(writer).await;
    drops(writer).await;
}

async fn tags_move(writer: &Writer) {
    let two = image("two").manifest;
    // Points there already: its time is renewed.
    writer.push_manifest("team/image", "two", &two).await;
    writer.push_manifest("team/image", "latest", &two).await;
    let plain = "A small web application, the plain case of every test";
    let other = pack("app-2.0.0-rc.1", &[(plain, "Another release candidate")]);
    writer.send(201, Request::post("/api/team/charts?force").body(other.bytes)).await;
    writer.delete_manifest("team/image", "1.0").await;
}

async fn deletions(writer: &Writer) {
    // A release, with its manifest left behind.
    writer.delete_manifest("team/app", "1.3.0").await;
    let gone = image("deleted");
    for tag in ["gone-1", "gone-2"] {
        writer.push("team/image", tag, &gone).await;
    }
    writer.delete_manifest("team/image", &gone.manifest.digest).await;
    let blob = Blob::new("a blob that is deleted");
    writer.push_blob("team/base", &blob).await;
    writer.delete_blob("team/base", &blob.digest).await;
    // What is deleted and pushed again waits no more, but for the tag that was not pushed again.
    let again = image("again");
    for tag in ["again-1", "again-2"] {
        writer.push("team/image", tag, &again).await;
    }
    writer.delete_manifest("team/image", &again.manifest.digest).await;
    writer.delete_blob("team/image", &again.blobs[1].digest).await;
    writer.push("team/image", "again-1", &again).await;
    writer.delete_manifest("team/image", "again-1").await;
    writer.push_manifest("team/image", "again-1", &again.manifest).await;
}

async fn restores(writer: &Writer) {
    let back = image("restored");
    for tag in ["back", "left-out"] {
        writer.push("team/image", tag, &back).await;
    }
    writer.delete_manifest("team/image", &back.manifest.digest).await;
    writer.delete_blob("team/image", &back.blobs[1].digest).await;
    let (name, state) = (repository_of("team/image"), writer.state("team").await);
    let undo = &state.repositories.get(&name).expect("it is there").undo;
    let (manifest, blob) = (digest_of(&back.manifest.digest), digest_of(&back.blobs[1].digest));
    let seq = undo.manifests.get(&manifest).expect("it waits").removal.seq;
    let of_blob = undo.blobs.get(&blob).expect("it waits").removal.seq;
    let op = RestoreOp {
        manifests: vec![(name.clone(), manifest.clone(), seq)],
        blobs: vec![(name.clone(), blob, of_blob)],
        tags: vec![(name, tag_of("back"), manifest, seq, false)],
    };
    writer.change("team", Change::Restore(op)).await;
}

fn yank(repository: &str, tag: &str, reason: Option<&str>, instead: Option<&str>) -> Change {
    let (repository, tag) = (repository_of(repository), tag_of(tag));
    Change::Yank { repository, tag, reason: reason.map(Into::into), instead: instead.map(Into::into) }
}

async fn yanks(writer: &Writer) {
    for version in ["1.0.0", "1.1.0", "1.2.0", "1.3.0"] {
        writer.push("team/web", version, &Release::named("web", version).image()).await;
    }
    writer.change("team", yank("team/web", "1.0.0", None, None)).await;
    writer.change("team", yank("team/web", "1.1.0", Some("CVE-2026-1234"), Some("1.2.0"))).await;
    writer.change("team", yank("team/web", "1.3.0", Some("by mistake"), None)).await;
    let (repository, tag) = (repository_of("team/web"), tag_of("1.3.0"));
    writer.change("team", Change::Unyank { repository, tag }).await;
    // A yank that waits with its tag.
    let first = Release::named("web", "1.0.0").image().manifest;
    writer.delete_manifest("team/web", &first.digest).await;
}

/// What cannot be taken back.
async fn removals_for_good(writer: &Writer) {
    let secret = image("secret");
    writer.push("team/secret", "1", &secret).await;
    let (name, state) = (repository_of("team/secret"), writer.state("team").await);
    let layer = digest_of(&secret.blobs[1].digest);
    let extents = state.blob(&name, &layer).expect("it is held").extents.clone();
    let body = extents.iter().find_map(|extent| extent.attached().map(|(seq, at)| (seq, at, extent.length)));
    let delete = Change::Delete {
        repository: name.clone(),
        digest: digest_of(&secret.manifest.digest),
        condition: Condition::default(),
        now: true,
    };
    writer.change("team", delete).await;
    unlink_for_good(writer, "team/secret", &secret.blobs[1]).await;
    let bodies = vec![body.expect("it is attached")];
    writer.change("team", Change::Erase(EraseOp { bodies })).await;
}

async fn unlink_for_good(writer: &Writer, repository: &str, blob: &Blob) {
    let (repository, digest, now) = (repository_of(repository), digest_of(&blob.digest), true);
    writer.change("team", Change::Unlink { repository, digest, now }).await;
}

/// The body that was erased, as [number of the commit, offset, length].
pub async fn erased(writer: &Writer) -> (u64, u64, u64) {
    let state = writer.state("team").await;
    let ((seq, offset), length) = state.erased_bodies.iter().next().expect("a body was erased");
    (*seq, *offset, *length)
}

/// What a collector writes. The clock is weeks ahead of the first commits.
async fn collection(writer: &Writer) {
    let hash = sha256(b"the removal rules");
    writer.change("team", Change::Rules(hash.as_str().into())).await;
    writer.change("team", Change::Require(1)).await;

    let (orphan, idle) = (image("orphan"), Blob::new("nothing refers to it"));
    writer.push("team/collected", &orphan.manifest.digest, &orphan).await;
    writer.push_blob("team/collected", &idle).await;
    let (waiting, untagged) = (image("reaped later"), image("untagged"));
    writer.push("team/collected", "1", &waiting).await;
    writer.push("team/collected", "2", &untagged).await;
    writer.delete_manifest("team/collected", &waiting.manifest.digest).await;
    writer.delete_manifest("team/collected", "2").await;
    let unlinked = Blob::new("unlinked, then reaped");
    writer.push_blob("team/collected", &unlinked).await;
    writer.delete_blob("team/collected", &unlinked.digest).await;
    writer.clock.pass(DAY * 10);

    let (name, state) = (repository_of("team/collected"), writer.state("team").await);
    let undo = &state.repositories.get(&name).expect("it is there").undo;
    let keys = [
        UndoKey::Manifest(digest_of(&waiting.manifest.digest)),
        UndoKey::Tag(tag_of("2")),
        UndoKey::Blob(digest_of(&unlinked.digest)),
    ];
    let removal = |key: &UndoKey| match key {
        UndoKey::Manifest(digest) => undo.manifests.get(digest).map(|entry| entry.removal.seq),
        UndoKey::Tag(tag) => undo.tags.get(tag).map(|entry| entry.removal.seq),
        UndoKey::Blob(digest) => undo.blobs.get(digest).map(|entry| entry.removal.seq),
    };
    let undo = keys.iter().map(|key| (name.clone(), key.clone(), removal(key).expect("it waits"))).collect();
    let op = ReapOp {
        before: state.time.plus(DAY),
        blobs: vec![(name.clone(), digest_of(&idle.digest))],
        manifests: vec![(name, digest_of(&orphan.manifest.digest))],
        undo,
        rules: Some(hash.into()),
    };
    writer.change("team", Change::Reap(op)).await;

    let before = writer.state("team").await.time.minus(DAY * 8);
    writer.change("team", Change::Fence(FenceOp { before, swept: before.minus(DAY) })).await;
    for seed in ["condemned", "purged"] {
        let blob = large(seed);
        writer.push_blob("team/collected", &blob).await;
        let objects = writer.objects_of("team/collected", &blob.digest).await;
        unlink_for_good(writer, "team/collected", &blob).await;
        if seed == "purged" {
            writer.change("team", Change::Purge(PurgeOp { objects })).await;
        }
    }
}

/// Marks of damage that turn out to be wrong.
async fn marks(writer: &Writer) {
    let sound = large("sound");
    writer.push_blob("team/lost", &sound).await;
    let objects = writer.objects_of("team/lost", &sound.digest).await;
    let op = BodiesOp { objects, bodies: attached_body(writer, "team/image", &image("one").blobs[0]).await };
    writer.change("team", Change::Damaged(op.clone())).await;
    writer.change("team", Change::Sound(op)).await;
    // Lost bytes that are pushed again.
    let healed = large_image("healed");
    writer.push("team/lost", "healed", &healed).await;
    let objects = writer.objects_of("team/lost", &healed.blobs[1].digest).await;
    let mut bodies = attached_body(writer, "team/lost", &healed.blobs[0]).await;
    bodies.extend(manifest_body(writer, "team/lost", &healed).await);
    writer.change("team", Change::Damaged(BodiesOp { objects, bodies })).await;
    writer.push("team/lost", "healed", &healed).await;

    writer.push("team/lost", "objects", &large_image("lost")).await;
    writer.push_blob("team/lost", &large("wrong")).await;
    writer.push("team/lost", "bodies", &image("lost bodies")).await;
}

/// The attached bytes of a blob.
pub async fn attached_body(writer: &Writer, repository: &str, blob: &Blob) -> Vec<(u64, u64, u64)> {
    let (name, state) = (repository_of(repository), writer.state("team").await);
    let content = state.blob(&name, &digest_of(&blob.digest)).expect("the repository holds it");
    let body = |(seq, offset), length| (seq, offset, length);
    content.extents.iter().filter_map(|extent| Some(body(extent.attached()?, extent.length))).collect()
}

/// The attached bytes of a manifest.
async fn manifest_body(writer: &Writer, repository: &str, of: &Image) -> Vec<(u64, u64, u64)> {
    let (name, state) = (repository_of(repository), writer.state("team").await);
    let entry = state.manifest(&name, &digest_of(&of.manifest.digest)).expect("it is there");
    let body = |(seq, offset), length| (seq, offset, length);
    let extents = entry.manifest.extents.iter();
    extents.filter_map(|extent| Some(body(extent.attached()?, extent.length))).collect()
}

/// Several proposals in one commit.
async fn together(writer: &Writer) {
    let blobs = ["batch 1", "batch 2", "batch 3", "batch 4"].map(Blob::new);
    let change = |(blob, repository): (&Blob, &str)| Change::Blob {
        repository: repository_of(repository),
        digest: digest_of(&blob.digest),
        content: Body::attached(blob.bytes.clone()),
    };
    let mut changes: Vec<Change> =
        blobs.iter().zip(["team/image", "team/image", "team/base", "team/base"]).map(change).collect();
    changes.push(yank("team/web", "1.2.0", Some("again"), None));
    let mount = Change::Mount {
        repository: repository_of("team/web"),
        digest: digest_of(&blobs[0].digest),
        from: repository_of("team/image"),
    };
    changes.push(mount);
    writer.change_together("team", changes).await;
}

async fn drops(writer: &Writer) {
    for repository in ["team/dropped", "team/reborn"] {
        writer.push(repository, "1", &image(repository)).await;
        let op = DropOp { repository: Some(repository_of(repository)), now: false };
        writer.change("team", Change::Drop(op)).await;
    }
    writer.push("team/reborn", "2", &image("reborn")).await;
}

/// The namespace without a name, and one that is dropped as a whole.
pub async fn other_namespaces(writer: &Writer) {
    writer.send(201, upload("", &pack("app-1.2.3", &[]).bytes)).await;
    signed(writer, "").await;
    writer.push("tool", "1.0", &image("tool")).await;
    // A mount from another namespace copies.
    for (repository, blob) in
        [("other/base", &large_image("large").blobs[1]), ("other/base", &image("one").blobs[1])]
    {
        let mount = format!("/v2/{repository}/blobs/uploads/?mount={}&from=team/image", blob.digest);
        writer.send(201, Request::post(mount)).await;
    }
    writer.push("gone/one", "1", &image("gone")).await;
    writer.push("gone/web", "1.0.0", &Release::named("web", "1.0.0").image()).await;
    writer.push("gone/two", "1", &large_image("gone for good")).await;
    writer.change("gone", Change::Drop(DropOp { repository: None, now: false })).await;
    let op = DropOp { repository: Some(repository_of("gone/two")), now: true };
    writer.change("gone", Change::Drop(op)).await;
    writer.push("future/app", "before", &image("future")).await;
}

/// What is known of damage once the files are damaged.
pub async fn damage(writer: &Writer, bodies: Vec<(u64, u64, u64)>) {
    for blob in [&large_image("lost").blobs[1], &large("wrong")] {
        writer.find_damage("team/lost", &blob.digest).await;
    }
    writer.change("team", Change::Damaged(BodiesOp { objects: Vec::new(), bodies })).await;
    let state = writer.state("team").await;
    assert_eq!(state.damaged_objects.len(), 2, "the server noted the objects that it could not read");
}

/// What follows the commit that was written by hand.
pub async fn after_the_future(writer: &Writer) {
    writer.push("future/app", "after", &image("after the future")).await;
}

/// Targets and what must be answered, whatever the rest of the table says.
pub fn certain() -> Vec<(String, u16)> {
    let manifest = |repository: &str, of: &Image| manifest_path(repository, &of.manifest.digest);
    let blob = |repository: &str, of: &Blob| format!("/v2/{repository}/blobs/{}", of.digest);
    let web = |version: &str| Release::named("web", version).image();
    vec![
        (manifest("team/image", &image("one")), 200),
        (manifest_path("team/image", "1.0"), 404),
        (manifest_path("team/image", "1.0.0"), 200),
        (manifest("team/image", &image("deleted")), 404),
        (manifest_path("team/image", "gone-1"), 404),
        (manifest("team/image", &image("restored")), 200),
        (manifest_path("team/image", "back"), 200),
        (manifest_path("team/image", "left-out"), 404),
        (manifest_path("team/image", "again-1"), 200),
        (manifest_path("team/image", "again-2"), 404),
        (blob("team/image", &image("again").blobs[1]), 200),
        (manifest_path("team/lost", "healed"), 200),
        (blob("team/lost", &large_image("healed").blobs[0]), 200),
        (blob("team/lost", &large_image("healed").blobs[1]), 200),
        (manifest("team/secret", &image("secret")), 404),
        (blob("team/secret", &image("secret").blobs[1]), 404),
        (manifest("team/collected", &image("orphan")), 404),
        (manifest("team/collected", &image("untagged")), 200),
        (blob("team/collected", &large("condemned")), 404),
        (blob("team/lost", &large("sound")), 200),
        (blob("team/lost", &large("wrong")), 404),
        (manifest("team/lost", &large_image("lost")), 200),
        (blob("team/lost", &large_image("lost").blobs[1]), 404),
        (blob("team/lost", &image("lost bodies").blobs[1]), 404),
        (manifest_path("team/lost", "bodies"), 404),
        (manifest_path("team/dropped", "1"), 404),
        (manifest_path("team/reborn", "1"), 404),
        (manifest_path("team/reborn", "2"), 200),
        (manifest_path("gone/one", "1"), 404),
        (manifest_path("future/app", "by-hand"), 200),
        (manifest_path("future/app", "bare"), 200),
        (manifest_path("future/app", "after"), 200),
        (manifest("team/web", &web("1.0.0")), 404),
        (manifest("team/web", &web("1.1.0")), 200),
        (blob("other/base", &image("one").blobs[1]), 200),
        ("/team/charts/web-1.1.0.tgz".to_owned(), 200),
        ("/team/charts/app-1.3.0.tgz".to_owned(), 404),
        ("/-/api/v1/charts/team/web/-/resolve?version=1.1.x".to_owned(), 404),
    ]
}

/// The manifest of the pushed image that a tag is given to by hand.
pub fn future_digest() -> String {
    image("future").manifest.digest
}

/// The attached bytes of a blob and of a manifest of `team/lost`.
pub async fn bodies_to_damage(writer: &Writer) -> Vec<(u64, u64, u64)> {
    let lost = image("lost bodies");
    let mut bodies = attached_body(writer, "team/lost", &lost.blobs[1]).await;
    bodies.extend(manifest_body(writer, "team/lost", &lost).await);
    bodies
}
