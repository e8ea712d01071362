use std::collections::HashSet;
use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use rustix::io::Errno;
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::*;
use crate::backend::suite::{self, key, list, put};

/// Waits for the lock: a process that another test starts holds a copy of its file for a moment, until it becomes the
/// program that it is started for.
fn open(root: &Path) -> Fs {
    Fs::open(root, Duration::from_secs(5)).unwrap()
}

async fn create(store: &Fs, name: &str, size: usize) -> Result<Create, BackendError> {
    store.create(&key(name), vec![Bytes::from(vec![b'x'; size])]).await
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

fn is_folder(file: &File) -> bool {
    file.metadata().unwrap().is_dir()
}

/// A store whose fsync is `fsync`, and the directory it lives in.
fn with_fsync(fsync: impl Fn(&File) -> io::Result<()> + Send + Sync + 'static) -> (TempDir, Fs) {
    let root = tempfile::tempdir().unwrap();
    let store = Fs::open_with(root.path(), Duration::ZERO, Arc::new(fsync)).unwrap();
    (root, store)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fs_passes_the_suite() {
    // In memory where there is such a place: what the suite asks does not depend on the disk, and 8,000 fsyncs do.
    let shm = Path::new("/dev/shm");
    let root = if shm.is_dir() { tempfile::tempdir_in(shm) } else { tempfile::tempdir() }.unwrap();
    let next = AtomicUsize::new(0);
    let empty = async || Arc::new(open(&root.path().join(next.fetch_add(1, Ordering::Relaxed).to_string())));
    suite::run(empty).await;
    let races = root.path().join("races");
    suite::one_of_many_creates_wins(Arc::new(open(&races)), 1_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_many_creates_wins_on_a_disk() {
    let root = tempfile::tempdir().unwrap();
    suite::one_of_many_creates_wins(Arc::new(open(root.path())), 50).await;
}

#[test]
fn a_second_server_is_refused_by_a_message_that_says_what_to_do() {
    let root = tempfile::tempdir().unwrap();
    let first = open(root.path());
    let message = Fs::open(root.path(), Duration::ZERO).err().unwrap().to_string();
    for part in [root.path().to_str().unwrap(), &format!("process {}", std::process::id()), "--wait-for-lock"]
    {
        assert!(message.contains(part), "{message}");
    }
    drop(first);
    open(root.path());
}

#[test]
fn a_holder_that_left_no_number_is_another_process() {
    let root = tempfile::tempdir().unwrap();
    let _first = open(root.path());
    for text in ["", "no number", "99999999999999999999999999", "\u{1b}[31m7"] {
        fs::write(root.path().join("lock"), text).unwrap();
        let message = Fs::open(root.path(), Duration::ZERO).err().unwrap().to_string();
        assert!(message.contains("in use by another process"), "{message}");
    }
}

#[test]
fn an_open_that_waits_gets_the_lock_when_it_is_freed_and_gives_up_in_time() {
    let root = tempfile::tempdir().unwrap();
    let first = open(root.path());
    let begun = Instant::now();
    let wait = Duration::from_millis(120);
    assert!(matches!(Fs::open(root.path(), wait), Err(FsOpenError::InUse { .. })));
    assert!(begun.elapsed() >= wait);
    std::thread::scope(|scope| {
        let second = scope.spawn(|| Fs::open(root.path(), Duration::from_secs(20)).map(drop));
        std::thread::sleep(Duration::from_millis(100));
        drop(first);
        second.join().unwrap().unwrap();
    });
}

#[test]
fn a_root_that_cannot_be_is_an_error_with_its_path() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    fs::write(&file, "").unwrap();
    for path in [file.clone(), file.join("below"), PathBuf::from("/proc/nothing-can-be-created-here")] {
        let message = Fs::open(&path, Duration::ZERO).err().unwrap().to_string();
        assert!(message.contains(path.to_str().unwrap()), "{message}");
    }
}

#[test]
fn a_directory_of_something_else_is_refused_and_left_as_it_is() {
    // Once `--storage /home/me` would have emptied /home/me/tmp.
    for names in [&["tmp/0", "tmp/thesis"][..], &["lock/file"], &["readme"], &["ns/team/_data/a"]] {
        let root = tempfile::tempdir().unwrap();
        for name in names {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "precious").unwrap();
        }
        let refused = Fs::open(root.path(), Duration::ZERO);
        let message = refused.err().unwrap_or_else(|| panic!("{names:?}: opened")).to_string();
        assert!(message.contains(root.path().to_str().unwrap()), "{message}");
        assert!(message.contains("no charthouse store"), "{message}");
        assert!(names.iter().all(|name| root.path().join(name).exists()), "{names:?}");
        assert!(!root.path().join("lock").is_file());
    }
}

#[test]
fn a_copy_without_its_lock_is_opened_and_so_is_a_new_file_system() {
    for names in [&["layout", "ns/team/_data/a"][..], &["lost+found/x", ".snapshot/y"]] {
        let root = tempfile::tempdir().unwrap();
        for name in names {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        drop(open(root.path()));
        fs::create_dir_all(root.path().join("tmp/foreign")).unwrap();
        fs::write(root.path().join("tmp/foreign/1"), "x").unwrap();
        open(root.path());
        assert!(root.path().join("tmp/foreign/1").exists(), "only drafts are removed");
    }
}

#[tokio::test]
async fn objects_outlive_the_store_and_unfinished_ones_do_not() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("deep/store");
    create(&open(&path), "ns/a", 10).await.unwrap();
    // What a process leaves that is killed in the middle of a create.
    for draft in ["tmp/0", "tmp/17"] {
        fs::write(path.join(draft), "half").unwrap();
    }
    let store = open(&path);
    assert_eq!(names_in(&path.join("tmp")), [""; 0]);
    assert_eq!(list(&store, "", "", 10).await, ["ns/a"]);
    assert_eq!(store.read(&key("ns/a"), None).await.unwrap(), "xxxxxxxxxx");
}

#[tokio::test]
async fn others_have_no_access_to_what_is_stored() {
    let root = tempfile::tempdir().unwrap();
    create(&open(root.path()), "ns/a", 1).await.unwrap();
    for name in ["lock", "tmp", "ns", "ns/a"] {
        let mode = fs::metadata(root.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o027, 0, "{name}: {mode:o}");
    }
}

#[tokio::test]
async fn the_stores_own_files_are_no_objects() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    for name in ["lock", "lock/a", "tmp", "tmp/a"] {
        assert!(matches!(create(&store, name, 1).await, Err(BackendError::Denied(_))), "{name}");
        assert!(matches!(store.read(&key(name), None).await, Err(BackendError::NotFound(_))), "{name}");
        store.delete(&[key(name)]).await.unwrap();
    }
    assert!(root.path().join("lock").exists());
    assert_eq!(list(&store, "", "", 10).await, [""; 0]);
}

#[tokio::test]
async fn foreign_files_are_passed_over() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    put(&store, "ns/object", b"x").await;
    let ns = root.path().join("ns");
    fs::write(ns.join(OsStr::from_bytes(b"\xff\xfe")), "").unwrap();
    for name in ["with space", "tilde~", "ümlaut", "a:b"] {
        fs::write(ns.join(name), "").unwrap();
    }
    fs::create_dir_all(root.path().join("lost+found/x")).unwrap();
    fs::create_dir(ns.join("empty")).unwrap();
    symlink(ns.join("object"), ns.join("link")).unwrap();
    symlink(root.path(), ns.join("loop")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, ns.join("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .unwrap();
    assert_eq!(list(&store, "", "", 100).await, ["ns/object"]);
    for name in ["ns/link", "ns/pipe", "ns/empty"] {
        let read = tokio::time::timeout(Duration::from_secs(5), store.read(&key(name), None)).await;
        assert!(matches!(read, Ok(Err(BackendError::NotFound(_)))), "{name}: {read:?}");
        let outcome = create(&store, name, 1).await;
        assert!(matches!(outcome, Err(BackendError::Denied(_))), "{name}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_file_where_a_folder_is_needed_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    put(&store, "a", b"x").await;
    for name in ["a/b", "a/b/c"] {
        let outcome = create(&store, name, 1).await;
        assert!(matches!(outcome, Err(BackendError::Denied(_))), "{name}: {outcome:?}");
    }
    assert_eq!(names_in(&root.path().join("tmp")), [""; 0]);
}

#[tokio::test]
async fn folders_that_somebody_removed_are_created_again() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    put(&store, "ns/team/a", b"x").await;
    fs::remove_dir_all(root.path().join("ns")).unwrap();
    assert!(matches!(create(&store, "ns/team/b", 1).await, Err(BackendError::Unavailable(_))));
    assert_eq!(create(&store, "ns/team/b", 1).await.unwrap(), Create::Created);
}

#[test]
fn errors_of_the_system_are_told_apart() {
    use BackendError::*;
    let kind = |errno: Errno| refusal(Path::new("/store/ns"), errno.into());
    for errno in [Errno::NOSPC, Errno::DQUOT] {
        assert!(matches!(kind(errno), Full(_)), "{errno}");
    }
    for errno in [Errno::ACCESS, Errno::PERM, Errno::NOTDIR, Errno::XDEV] {
        assert!(matches!(kind(errno), Denied(message) if message.contains("/store/ns")), "{errno}");
    }
    assert!(matches!(kind(Errno::ROFS), ReadOnly(message) if message.contains("/store/ns")));
    for errno in [Errno::IO, Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::STALE] {
        assert!(
            matches!(kind(errno), Unavailable(error) if error.to_string().contains("/store/ns")),
            "{errno}"
        );
    }
}

#[tokio::test]
async fn after_a_failed_fsync_of_a_folder_the_store_is_read_only_until_it_is_opened_again() {
    let fails = Arc::new(AtomicBool::new(false));
    let seam = fails.clone();
    let (root, store) = with_fsync(move |file| match seam.load(Ordering::Relaxed) && is_folder(file) {
        true => Err(Errno::IO.into()),
        false => Ok(()),
    });
    put(&store, "ns/a", b"x").await;
    fails.store(true, Ordering::Relaxed);
    // Unknown: the object has its name, and may lose it again in a power cut.
    assert!(matches!(create(&store, "ns/b", 1).await, Err(BackendError::Unavailable(_))));
    fails.store(false, Ordering::Relaxed);
    for _ in 0..2 {
        let outcome = create(&store, "ns/c", 1).await;
        assert!(
            matches!(&outcome, Err(BackendError::ReadOnly(reason)) if reason.contains("restart")),
            "{outcome:?}"
        );
        assert!(matches!(create(&store, "ns/a", 1).await, Err(BackendError::ReadOnly(_))));
        assert!(matches!(store.copy(&key("ns/a"), &key("ns/d")).await, Err(BackendError::ReadOnly(_))));
        assert!(matches!(store.delete(&[key("ns/a")]).await, Err(BackendError::ReadOnly(_))));
    }
    assert_eq!(store.read(&key("ns/a"), None).await.unwrap(), "x");
    assert_eq!(list(&store, "", "", 10).await, ["ns/a", "ns/b"]);
    drop(store);
    assert_eq!(create(&open(root.path()), "ns/c", 1).await.unwrap(), Create::Created);
}

#[tokio::test]
async fn folders_are_fsynced_for_new_names_and_before_already_exists_is_answered() {
    let count = Arc::new(AtomicUsize::new(0));
    let seam = count.clone();
    let (_root, store) = with_fsync(move |file| {
        seam.fetch_add(usize::from(is_folder(file)), Ordering::Relaxed);
        Ok(())
    });
    let spent = || count.swap(0, Ordering::Relaxed);
    put(&store, "a/b/c/1", b"x").await;
    assert_eq!(spent(), 4, "the root for a, a for b, b for c, c for 1");
    put(&store, "a/b/c/2", b"x").await;
    assert_eq!(spent(), 1);
    put(&store, "a/b/d/1", b"x").await;
    assert_eq!(spent(), 2);
    assert_eq!(put(&store, "a/b/c/1", b"y").await, Create::AlreadyExists);
    assert_eq!(spent(), 1);
    store.copy(&key("a/b/c/1"), &key("a/b/c/3")).await.unwrap();
    assert_eq!(spent(), 1);
    store.delete(&[key("a/b/c/3")]).await.unwrap();
    assert_eq!(spent(), 0);
}

#[tokio::test]
async fn after_a_failed_fsync_of_a_file_there_is_no_object_and_the_store_goes_on() {
    let fails = Arc::new(AtomicBool::new(true));
    let seam = fails.clone();
    let (root, store) = with_fsync(move |file| match seam.load(Ordering::Relaxed) && !is_folder(file) {
        true => Err(Errno::IO.into()),
        false => Ok(()),
    });
    assert!(matches!(create(&store, "ns/a", 1).await, Err(BackendError::Unavailable(_))));
    assert_eq!(list(&store, "", "", 10).await, [""; 0]);
    assert_eq!(names_in(&root.path().join("tmp")), [""; 0]);
    fails.store(false, Ordering::Relaxed);
    assert_eq!(create(&store, "ns/a", 1).await.unwrap(), Create::Created);
}

/// A disk that loses whatever no fsync has covered. A name is durable when an fsync of its folder that began after it
/// was there has ended; it must not be there before its bytes are.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_answered_is_durable() {
    let files = Mutex::new(HashSet::new());
    let names = Arc::new(Mutex::new(HashSet::new()));
    let durable = names.clone();
    let (_root, store) = with_fsync(move |file| {
        if !is_folder(file) {
            files.lock().unwrap().insert(file.metadata()?.ino());
            return Ok(());
        }
        let seen: Vec<_> = rustix::fs::Dir::read_from(file)?.collect::<Result<_, _>>()?;
        for entry in seen.iter().filter(|entry| entry.file_type() == rustix::fs::FileType::RegularFile) {
            let written = entry.file_name() == c"lock" || files.lock().unwrap().contains(&entry.ino());
            assert!(written, "{:?} was named before it was durable", entry.file_name());
        }
        std::thread::sleep(Duration::from_millis(3));
        names.lock().unwrap().extend(seen.iter().map(|entry| entry.file_name().to_owned()));
        Ok(())
    });
    let store = Arc::new(store);
    let mut tasks = JoinSet::new();
    for task in 0..16 {
        let (store, durable) = (store.clone(), durable.clone());
        tasks.spawn(async move {
            for round in 0..10 {
                // Every key is created by two tasks.
                let name = format!("{round}-{}", task / 2);
                create(&store, &format!("folder-{round}/{name}"), 1).await.unwrap();
                for name in [format!("folder-{round}"), name] {
                    let name = CString::new(name).unwrap();
                    assert!(durable.lock().unwrap().contains(&name), "{name:?} was answered too early");
                }
            }
        });
    }
    tasks.join_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_call_that_is_dropped_leaves_the_object_whole_or_absent() {
    let root = tempfile::tempdir().unwrap();
    let store = Arc::new(open(root.path()));
    for n in 0..60 {
        let call = tokio::spawn({
            let store = store.clone();
            async move { create(&store, &format!("ns/{n}"), 300_000).await }
        });
        tokio::time::sleep(Duration::from_micros(n * 40)).await;
        call.abort();
        let _ = call.await;
    }
    // The calls end by themselves; the lock is free when the last of them has.
    drop(store);
    let store = Fs::open(root.path(), Duration::from_secs(20)).unwrap();
    assert_eq!(names_in(&root.path().join("tmp")), [""; 0]);
    for name in list(&store, "", "", 100).await {
        assert_eq!(store.read(&key(&name), None).await.unwrap().len(), 300_000, "{name}");
    }
}

/// A small file system of its own, which needs the right to mount. Where that is missing the test says so, and
/// fails in CI: nobody should believe that it ran.
struct Mount(TempDir);

impl Mount {
    fn tmpfs(options: &str) -> Option<Self> {
        let mount = Self(tempfile::tempdir().unwrap());
        if mount_command(&["-t", "tmpfs", "-o", options, "tmpfs"], mount.0.path()) {
            return Some(mount);
        }
        assert!(std::env::var_os("CI").is_none(), "this test must be able to mount a tmpfs in CI");
        eprintln!("NOT TESTED: no right to mount a tmpfs (run as root)");
        None
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

fn mount_command(arguments: &[&str], target: &Path) -> bool {
    let status = Command::new("mount").args(arguments).arg(target).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Fills the store until it refuses, and returns how many objects there are then.
async fn fill(store: &Fs, size: usize) -> usize {
    for n in 0..10_000 {
        match create(store, &format!("ns/{n:05}"), size).await {
            Ok(_) => {}
            Err(BackendError::Full(_)) => return n,
            Err(other) => panic!("{other}"),
        }
    }
    panic!("the disk never fills");
}

#[tokio::test]
async fn a_full_disk_refuses_creates_serves_reads_and_recovers() {
    // 1 MiB of bytes, then many bytes but few files.
    for (options, size) in [("size=1m", 30_000), ("size=1m", 4_096), ("size=64m,nr_inodes=40", 10)] {
        let Some(mount) = Mount::tmpfs(options) else { return };
        let root = mount.0.path().join("store");
        let mut store = open(&root);
        for cycle in 0..20 {
            let objects = fill(&store, size).await;
            assert!(objects > 5, "{options} {cycle}: {objects}");
            assert!(
                matches!(create(&store, "ns/large", 2 << 20).await, Err(BackendError::Full(_))) || size == 10
            );
            assert_eq!(names_in(&root.join("tmp")), [""; 0], "{options} {cycle}");
            let names = list(&store, "ns/", "", 10_000).await;
            assert_eq!(names.len(), objects);
            for name in &names {
                assert_eq!(store.read(&key(name), None).await.unwrap().len(), size);
            }
            // A server must be able to start on a full disk.
            drop(store);
            store = open(&root);
            store.delete(&names.iter().map(|name| key(name)).collect::<Vec<_>>()).await.unwrap();
        }
        assert_eq!(create(&store, "ns/after", size).await.unwrap(), Create::Created);
    }
}

#[tokio::test]
async fn a_disk_that_turns_read_only_serves_reads_and_recovers() {
    let Some(mount) = Mount::tmpfs("size=1m") else { return };
    let root = mount.0.path();
    let store = open(root);
    put(&store, "ns/a", b"x").await;
    // (The whole cannot be remounted while the lock file is open: its folders can, one by one.)
    for folder in ["ns", "tmp"] {
        let path = root.join(folder);
        assert!(mount_command(&["--bind", path.to_str().unwrap()], &path));
        assert!(mount_command(&["-o", "remount,ro,bind"], &path));
    }
    for name in ["ns/b", "ns/new/b"] {
        let outcome = create(&store, name, 1).await;
        assert!(matches!(outcome, Err(BackendError::ReadOnly(_))), "{name}: {outcome:?}");
    }
    assert!(matches!(store.delete(&[key("ns/a")]).await, Err(BackendError::ReadOnly(_))));
    assert_eq!(create(&store, "ns/a", 1).await.unwrap(), Create::AlreadyExists);
    assert_eq!(store.read(&key("ns/a"), None).await.unwrap(), "x");
    assert_eq!(list(&store, "", "", 10).await, ["ns/a"]);
    for folder in ["ns", "tmp"] {
        assert!(Command::new("umount").arg(root.join(folder)).status().unwrap().success());
    }
    assert_eq!(create(&store, "ns/b", 1).await.unwrap(), Create::Created);
    store.delete(&[key("ns/a")]).await.unwrap();
}

#[tokio::test]
async fn a_reader_needs_no_lock_sees_what_is_written_and_changes_nothing() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    create(&store, "a/1", 3).await.unwrap();
    fs::write(root.path().join("tmp/7"), "a draft of the writer").unwrap();
    let holder = fs::read(root.path().join(LOCK)).unwrap();

    let reader = Fs::open_for_reading(root.path()).unwrap();
    assert_eq!(reader.read(&key("a/1"), Some(1..9)).await.unwrap(), "xx");
    create(&store, "a/2", 3).await.unwrap();
    assert_eq!(list(&reader, "", "", 9).await, ["a/1", "a/2"]);
    let refused = |outcome| assert!(matches!(outcome, Err(BackendError::ReadOnly(_))));
    refused(create(&reader, "a/1", 3).await.map(drop));
    refused(create(&reader, "b/1", 3).await.map(drop));
    refused(reader.copy(&key("a/1"), &key("a/3")).await.map(drop));
    refused(reader.delete(&[key("a/1")]).await);
    assert_eq!(list(&store, "", "", 9).await, ["a/1", "a/2"]);
    assert_eq!(fs::read(root.path().join("tmp/7")).unwrap(), b"a draft of the writer");
    assert_eq!(fs::read(root.path().join(LOCK)).unwrap(), holder);
    assert!(!root.path().join("b").exists());
    drop(store);
    drop(open(root.path()));
}

#[test]
fn what_is_not_there_is_not_made_by_a_reader() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("file"), "").unwrap();
    for name in ["absent", "file"] {
        let error = Fs::open_for_reading(&root.path().join(name)).err().unwrap();
        assert!(matches!(error, FsOpenError::Io { .. }), "{error}");
    }
    assert_eq!(names_in(root.path()), ["file"]);
    Fs::open_for_reading(root.path()).unwrap();
    assert_eq!(names_in(root.path()), ["file"]);
}
