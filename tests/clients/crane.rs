//! crane: container images, copied, listed, validated, deleted.

use std::fs::File;

use crate::support::command::Ran;
use crate::support::server::Server;
use crate::support::tools::{CRANE, Client};

struct Crane {
    client: Client,
}

impl Crane {
    #[track_caller]
    fn find() -> Option<Crane> {
        Client::find(CRANE).map(|client| Crane { client })
    }

    #[track_caller]
    fn run(&self, arguments: &[&str]) -> Ran {
        self.client.run(&[&["--insecure"], arguments].concat())
    }

    /// Writes a layer with one file to `name`.
    fn layer(&self, name: &str, content: &[u8]) {
        let file = File::create(self.client.home().join(name)).expect("create the layer");
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        let mut archive = tar::Builder::new(file);
        archive.append_data(&mut header, "etc/greeting", content).expect("write the layer");
        archive.finish().expect("finish the layer");
    }

    /// Pushes an image of one layer that holds `content`.
    #[track_caller]
    fn image(&self, reference: &str, content: &[u8]) {
        self.layer("layer.tar", content);
        self.run(&["append", "--oci-empty-base", "--new_layer", "layer.tar", "--new_tag", reference])
            .succeeds();
    }

    #[track_caller]
    fn digest(&self, reference: &str) -> String {
        self.run(&["digest", reference]).succeeds().trim().to_owned()
    }
}

#[test]
fn an_image_is_pushed_listed_and_validated() {
    let Some(crane) = Crane::find() else { return };
    let server = Server::in_memory();
    let image = format!("{}/team/image", server.host());
    crane.image(&format!("{image}:1"), b"hello\n");
    crane.image(&format!("{image}:2"), b"hello again\n");

    assert_eq!(crane.run(&["ls", &image]).succeeds(), "1\n2\n");
    assert_eq!(crane.run(&["catalog", &server.host()]).succeeds(), "team/image\n");
    assert!(crane.digest(&format!("{image}:1")).starts_with("sha256:"));
    assert_ne!(crane.digest(&format!("{image}:1")), crane.digest(&format!("{image}:2")));
    let manifest = crane.run(&["manifest", &format!("{image}:1")]).succeeds();
    assert!(manifest.contains("application/vnd.oci.image.manifest.v1+json"), "{manifest}");
    crane.run(&["validate", "--remote", &format!("{image}:1")]).succeeds();
    server.stop();
}

#[test]
fn an_image_from_a_tarball_survives_a_restart() {
    let Some(crane) = Crane::find() else { return };
    let storage = tempfile::tempdir().expect("a folder for the store");
    crane.layer("layer.tar", &vec![7; 3 << 20]);
    crane
        .run(&[
            "append",
            "--new_layer",
            "layer.tar",
            "--new_tag",
            "example.com/made-up:1",
            "--output",
            "image.tar",
        ])
        .succeeds();

    let server = Server::over(storage.path());
    let image = format!("{}/image:1", server.host());
    crane.run(&["push", "image.tar", &image]).succeeds();
    let digest = crane.digest(&image);
    server.interrupt();

    let server = Server::over(storage.path());
    let image = format!("{}/image", server.host());
    assert_eq!(crane.digest(&format!("{image}:1")), digest);
    crane.run(&["validate", "--remote", &format!("{image}@{digest}")]).succeeds();
    crane.run(&["pull", &format!("{image}:1"), "pulled.tar"]).succeeds();
    server.stop();
}

#[test]
fn an_image_is_copied_to_other_repositories_and_namespaces() {
    let Some(crane) = Crane::find() else { return };
    let server = Server::in_memory();
    let at = |name: &str| format!("{}/{name}", server.host());
    crane.image(&at("team/image:1"), &[9; 100_000]);
    let digest = crane.digest(&at("team/image:1"));
    for copy in ["team/image:copy", "team/other:1", "elsewhere/deep/image:1", "root:1"] {
        crane.run(&["copy", &at("team/image:1"), &at(copy)]).succeeds();
        assert_eq!(crane.digest(&at(copy)), digest);
        crane.run(&["validate", "--remote", &at(copy)]).succeeds();
    }
    let repositories = crane.run(&["catalog", &server.host()]).succeeds();
    assert_eq!(repositories, "elsewhere/deep/image\nroot\nteam/image\nteam/other\n");
    server.stop();
}

#[test]
fn an_index_of_images_is_pushed_and_validated() {
    let Some(crane) = Crane::find() else { return };
    let server = Server::in_memory();
    let at = |tag: &str| format!("{}/team/image:{tag}", server.host());
    crane.image(&at("one"), b"one\n");
    crane.image(&at("two"), b"two\n");
    let append = ["index", "append", "--manifest", &at("one"), "--manifest", &at("two"), "--tag", &at("all")];
    crane.run(&append).succeeds();
    let manifest = crane.run(&["manifest", &at("all")]).succeeds();
    for child in ["one", "two"] {
        assert!(manifest.contains(&crane.digest(&at(child))), "{manifest}");
    }
    crane.run(&["validate", "--remote", &at("all")]).succeeds();
    server.stop();
}

#[test]
fn a_deleted_image_is_gone_and_its_copy_is_not() {
    let Some(crane) = Crane::find() else { return };
    let server = Server::in_memory();
    let image = format!("{}/team/image", server.host());
    let copy = format!("{}/team/copy:1", server.host());
    crane.image(&format!("{image}:1"), b"hello\n");
    crane.run(&["copy", &format!("{image}:1"), &copy]).succeeds();
    let digest = crane.digest(&format!("{image}:1"));

    crane.run(&["delete", &format!("{image}@{digest}")]).succeeds();
    crane.run(&["manifest", &format!("{image}@{digest}")]).fails();
    crane.run(&["manifest", &format!("{image}:1")]).fails();
    crane.run(&["validate", "--remote", &copy]).succeeds();
    server.stop();
}
