//! Where everything stands in the store (docs/internals/storage-format.md#keys).

use uuid::Uuid;

use crate::backend::Key;
use crate::oci::{Namespace, RepositoryName};

/// Checkpoints of another number were written by a fold that may read the journal differently.
pub const FOLD_VERSION: u32 = 1;
/// This release in the order of releases that write journals: what `require` compares.
pub const WRITER: u32 = 1;

pub fn layout() -> Key {
    Key::from_names("layout".to_owned())
}

/// The `n`-th object of a probe; deleted when the probe ends.
pub fn probe(id: Uuid, n: usize) -> Key {
    Key::from_names(format!("probe/{id}/{n}"))
}

/// What every object of a namespace begins with.
pub const NAMESPACES: &str = "ns/";

/// The namespace whose object `key` is.
pub fn namespace_of(key: &Key) -> Option<Namespace> {
    // No component of a name begins with `_`, and everything of a namespace stands in folders that do.
    let (folder, _) = key.as_str().strip_prefix(NAMESPACES)?.split_once("/_")?;
    if folder == Namespace::root().key() { Some(Namespace::root()) } else { Namespace::parse(folder).ok() }
}

/// A text after all keys of the namespace, where those of namespaces below it may still follow.
pub fn end_of(namespace: &Namespace) -> String {
    format!("{NAMESPACES}{}/_z", namespace.key())
}

/// What every object of the namespace begins with, and none of the namespaces below it does.
pub fn all_of(namespace: &Namespace) -> String {
    format!("{NAMESPACES}{}/_", namespace.key())
}

/// Returns whether `key` shows that the namespace has a history: it is a commit, or a checkpoint of any fold version.
pub fn is_history(namespace: &Namespace, key: &Key) -> bool {
    let is_below = |folder: &str| key.as_str().starts_with(folder);
    let is_commit = is_below(&commits(namespace)) && commit_seq(key).is_some_and(|seq| seq > 0);
    is_commit || is_below(&format!("{}checkpoint/", all_of(namespace))) && checkpoint_seq(key).is_some()
}

pub fn marker(repository: &RepositoryName) -> Key {
    Key::from_names(format!("{}{repository}!", CATALOG))
}

pub const CATALOG: &str = "catalog/";

/// The repository whose marker is `key`.
pub fn marked(key: &Key) -> Option<RepositoryName> {
    let name = key.as_str().strip_prefix(CATALOG)?.strip_suffix('!')?;
    RepositoryName::parse(name).ok()
}

/// The last part of the key is short, so that a folder holds at most 10,000 commits.
pub fn commit(namespace: &Namespace, seq: u64) -> Key {
    let digits = format!("{seq:020}");
    let (folder, file) = digits.split_at(16);
    Key::from_names(format!("{}{folder}/{file}", commits(namespace)))
}

pub fn commits(namespace: &Namespace) -> String {
    format!("ns/{}/_journal/", namespace.key())
}

/// Inverted numbers: a LIST of one key finds the newest.
pub fn checkpoint(namespace: &Namespace, seq: u64) -> Key {
    Key::from_names(format!("{}{:020}", checkpoints(namespace, FOLD_VERSION), u64::MAX - seq))
}

pub fn checkpoints(namespace: &Namespace, fold: u32) -> String {
    format!("ns/{}/_checkpoint/{fold}/", namespace.key())
}

/// The number of the checkpoint under `key`.
pub fn checkpoint_seq(key: &Key) -> Option<u64> {
    let (_, inverted) = key.as_str().rsplit_once('/')?;
    inverted.parse::<u64>().ok().map(|n| u64::MAX - n)
}

/// The number of the commit under `key`.
pub fn commit_seq(key: &Key) -> Option<u64> {
    let mut parts = key.as_str().rsplit('/');
    let (file, folder) = (parts.next()?, parts.next()?);
    format!("{folder}{file}").parse().ok()
}

/// What every data object of the namespace begins with.
pub fn data_objects(namespace: &Namespace) -> String {
    format!("ns/{}/_data/", namespace.key())
}

/// The data object under `key`.
pub fn data_object(key: &Key) -> Option<Uuid> {
    let (_, id) = key.as_str().rsplit_once('/')?;
    Uuid::parse_str(id).ok()
}

pub fn data(namespace: &Namespace, object: Uuid) -> Key {
    // Six hex digits of a v7 uuid are its time in steps of 4.7 hours: no folder gathers objects for ever.
    let id = object.to_string();
    Key::from_names(format!("{}{}/{id}", data_objects(namespace), &id[..6]))
}

/// State `n` of a chunked upload.
pub fn upload_state(namespace: &Namespace, upload: Uuid, n: u32) -> Key {
    Key::from_names(format!("{}{n:05}", upload_states(namespace, upload)))
}

pub fn upload_states(namespace: &Namespace, upload: Uuid) -> String {
    format!("ns/{}/_upload/{upload}/", namespace.key())
}

pub fn upload_cancelled(namespace: &Namespace, upload: Uuid) -> Key {
    Key::from_names(format!("{}cancelled", upload_states(namespace, upload)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stand_where_the_protocol_says() {
        let team = Namespace::parse("team").unwrap();
        let root = Namespace::root();
        let id = Uuid::parse_str("0190aabb-ccdd-7000-8000-000000000001").unwrap();
        let cases = [
            (commit(&team, 42), "ns/team/_journal/0000000000000000/0042"),
            (commit(&root, 1_234_567), "ns/_root/_journal/0000000000000123/4567"),
            (checkpoint(&team, 1), "ns/team/_checkpoint/1/18446744073709551614"),
            (data(&team, id), "ns/team/_data/0190aa/0190aabb-ccdd-7000-8000-000000000001"),
            (upload_state(&team, id, 3), "ns/team/_upload/0190aabb-ccdd-7000-8000-000000000001/00003"),
            (marker(&RepositoryName::parse("team/app").unwrap()), "catalog/team/app!"),
        ];
        for (key, expected) in cases {
            assert_eq!(key.as_str(), expected);
            assert_eq!(Key::new(key.as_str()).as_ref(), Ok(&key));
        }
        assert_eq!(
            marked(&marker(&RepositoryName::parse("app").unwrap())),
            RepositoryName::parse("app").ok()
        );
        assert_eq!(commit_seq(&commit(&team, 1_234_567)), Some(1_234_567));
        assert_eq!(data_object(&data(&team, id)), Some(id));
        for namespace in ["", "team", "team/sub"].map(|text| Namespace::parse(text).unwrap()) {
            let keys = [commit(&namespace, 1), data(&namespace, id), upload_state(&namespace, id, 1)];
            for key in keys {
                assert_eq!(namespace_of(&key).as_ref(), Some(&namespace), "{key}");
                assert!(key.as_str() < end_of(&namespace).as_str(), "{key}");
            }
        }
        assert!(end_of(&team).as_str() < commit(&Namespace::parse("team/sub").unwrap(), 1).as_str());
        assert_eq!(namespace_of(&layout()), None);
        let sub = Namespace::parse("team/sub").unwrap();
        for (key, has_history) in [
            (commit(&team, 7), true),
            (checkpoint(&team, 7), true),
            (Key::new("ns/team/_checkpoint/2/18446744073709551608").unwrap(), true),
            (Key::new("ns/team/_checkpoint/1/.keep").unwrap(), false),
            (Key::new("ns/team/_journal/0000000000000000/0001.bak").unwrap(), false),
            (Key::new("ns/team/_journal/0000000000000000/0000").unwrap(), false),
            (data(&team, id), false),
            (upload_state(&team, id, 3), false),
            (commit(&sub, 7), false),
        ] {
            assert_eq!(is_history(&team, &key), has_history, "{key}");
            assert_eq!(key.as_str().starts_with(&all_of(&team)), namespace_of(&key).as_ref() == Some(&team));
        }
        assert_eq!(checkpoint_seq(&checkpoint(&team, 99)), Some(99));
    }
}
