//! Real clients through nginx, which adds the headers of a proxy: a server that says what everybody may do serves them as if
//! it was not there, and one without configuration refuses them all.

use super::helm::Helm;
use super::with_each_helm;
use crate::support::charts::pack;
use crate::support::nginx::Nginx;
use crate::support::server::Server;
use crate::support::tools::{CRANE, Client, ORAS};

/// As docs/deploy/s3.md has it.
fn behind_nginx() -> Option<(Server, Nginx)> {
    let variables =
        [("CHARTHOUSE_AUTH_ANONYMOUS", "write"), ("CHARTHOUSE_SERVER_TRUSTED_PROXIES", "127.0.0.1")];
    let server = Server::start_with(&["--storage", "memory:"], &variables);
    let nginx = Nginx::start(&[server.address()])?;
    Some((server, nginx))
}

with_each_helm![charts_go_through_a_proxy, the_open_default_is_closed_to_a_proxy];

fn charts_go_through_a_proxy(helm: &Helm) {
    let Some((server, nginx)) = behind_nginx() else { return };
    let namespace = format!("oci://{}/team", nginx.host());
    for chart in ["app-1.2.3", "signed"] {
        let chart = pack(chart, &[]);
        helm.push(&chart, &namespace);
        let reference = format!("{namespace}/{}", chart.name);
        helm.pull(&reference, &["--version", &chart.version]).is(&chart);
    }
    let added = ["repo", "add", "team", &format!("http://{}/team", nginx.host())];
    helm.client().run(&added).succeeds();
    let found = helm.client().run(&["search", "repo", "team"]).succeeds();
    assert!(found.contains("team/app"), "{found}");
    server.stop();
}

fn the_open_default_is_closed_to_a_proxy(helm: &Helm) {
    let server = Server::in_memory();
    let Some(nginx) = Nginx::start(&[server.address()]) else { return };
    let chart = pack("app-1.2.3", &[]);
    chart.write(helm.client().home());
    let refused = helm.run(&["push", &chart.file_name, &format!("oci://{}/team", nginx.host())]).fails();
    assert!(refused.contains("403"), "{refused}");
    let added = ["repo", "add", "team", &format!("http://{}/team", nginx.host())];
    let refused = helm.client().run(&added).fails();
    assert!(refused.contains("403"), "{refused}");
    // The same server, asked directly.
    helm.push(&chart, &format!("oci://{}/team", server.host()));
    server.stop();
}

#[test]
fn artifacts_and_images_go_through_a_proxy() {
    let (Some(oras), Some(crane)) = (Client::find(ORAS), Client::find(CRANE)) else { return };
    let Some((server, nginx)) = behind_nginx() else { return };
    let artifact = format!("{}/team/notes:1", nginx.host());
    // Larger than one buffer of nginx, so that it streams.
    let content = vec![b'\n'; 3 << 20];
    std::fs::write(oras.home().join("notes"), &content).expect("write a file");
    oras.run(&["push", "--plain-http", &artifact, "notes"]).succeeds();
    std::fs::remove_file(oras.home().join("notes")).expect("remove the file");
    oras.run(&["pull", "--plain-http", &artifact]).succeeds();
    assert!(std::fs::read(oras.home().join("notes")).expect("the file") == content);

    let copy = format!("{}/team/copy:1", nginx.host());
    crane.run(&["--insecure", "copy", &artifact, &copy]).succeeds();
    let digest = |reference: &str| crane.run(&["--insecure", "digest", reference]).succeeds();
    assert_eq!(digest(&artifact), digest(&copy));
    crane
        .run(&["--insecure", "delete", &format!("{}@{}", copy.trim_end_matches(":1"), digest(&copy).trim())])
        .succeeds();
    server.stop();
}
