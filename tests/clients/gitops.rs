//! The code with which Flux and Argo CD fetch charts and Renovate finds their versions, from a chart repository and over OCI.

use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use super::helm::Helm;
use crate::support::artifact::sha256;
use crate::support::charts::{Packed, pack};
use crate::support::nginx::{Nginx, certificate};
use crate::support::server::Server;
use crate::support::tools::{CRANE, Client, HELM_3, RENOVATE, program};

/// Version constraints, and the version that both of Helm's ways choose.
const CONSTRAINTS: [(&str, &str); 5] =
    [("1.2.3", "1.2.3"), ("^1.0", "1.3.0"), ("~1.2.0", "1.2.3"), (">=1.2 <1.3", "1.2.3"), ("*", "1.3.0")];

/// A server behind a proxy's TLS that is asked directly too, and two versions of `team/app` in it, beside a tag that is an
/// image.
struct Charts {
    server: Server,
    packages: [Packed; 2],
}

impl Charts {
    fn push() -> Option<Self> {
        let (helm, crane) = (Helm::find(3)?, Client::find(CRANE)?);
        let variables =
            [("CHARTHOUSE_AUTH_ANONYMOUS", "write"), ("CHARTHOUSE_SERVER_TRUSTED_PROXIES", "127.0.0.1")];
        let server = Server::start_with(&["--storage", "memory:"], &variables);
        let packages = ["app-1.2.3", "app-1.3.0"].map(|chart| pack(chart, &[]));
        for package in &packages {
            helm.push(package, &format!("oci://{}/team", server.host()));
        }
        std::fs::write(crane.home().join("layer"), b"not a chart").expect("write a layer");
        let image = format!("{}/team/app:image", server.host());
        let append =
            ["--insecure", "append", "--oci-empty-base", "--new_layer", "layer", "--new_tag", &image];
        crane.run(&append).succeeds();
        Some(Self { server, packages })
    }

    fn package(&self, version: &str) -> &Packed {
        self.packages.iter().find(|package| package.version == version).expect("a version")
    }
}

/// The JSON that a program prints as its last line.
#[track_caller]
fn last_line(said: &str) -> Value {
    let line = said.lines().last().expect("a line");
    serde_json::from_str(line).unwrap_or_else(|error| panic!("not JSON: {error}\n{said}"))
}

#[test]
fn flux_finds_and_downloads_charts() {
    let Some(flux) = Client::find_go("field-clients/flux") else { return };
    let Some(charts) = Charts::push() else { return };
    for scheme in ["http", "oci"] {
        let url = format!("{scheme}://{}/team", charts.server.host());
        for (constraint, version) in CONSTRAINTS {
            let found = last_line(&flux.run(&[&url, "app", constraint]).succeeds());
            assert_eq!(found["version"], version, "{scheme} {constraint}");
            let digest = sha256(&charts.package(version).bytes);
            assert_eq!(format!("sha256:{}", found["sha256"].as_str().expect("a digest")), digest);
        }
        flux.run(&[&url, "app", "^2"]).fails();
        flux.run(&[&url, "nothing", "*"]).fails();
    }
    charts.server.stop();
}

#[test]
fn argo_cd_finds_and_unpacks_charts() {
    let (Some(argo), Some(helm)) = (Client::find_go("field-clients/argocd"), program(HELM_3)) else { return };
    let Some(charts) = Charts::push() else { return };
    let Some(nginx) = Nginx::start_tls(&[charts.server.address()]) else { return };
    // Argo CD runs what is called `helm`.
    symlink(helm, argo.home().join("helm")).expect("link helm");
    let path = format!("{}:{}", argo.home().display(), std::env::var("PATH").unwrap_or_default());
    let ca = certificate().display().to_string();
    let variables = [("PATH", path.as_str()), ("CA_FILE", ca.as_str())];
    for url in [format!("http://{}/team", charts.server.host()), format!("oci://{}/team", nginx.host())] {
        for (constraint, version) in CONSTRAINTS {
            let found = last_line(&argo.run_with(&[&url, "app", constraint], &variables).succeeds());
            assert_eq!(found["version"], version, "{url} {constraint}");
            let chart = found["chart"].as_str().expect("Chart.yaml");
            assert!(chart.contains(&format!("version: {version}")), "{chart}");
        }
        argo.run_with(&[&url, "app", "^2"], &variables).fails();
    }
    charts.server.stop();
}

#[test]
fn renovate_finds_the_versions() {
    let Some(renovate) = Client::find(RENOVATE) else { return };
    let Some(charts) = Charts::push() else { return };
    let run = renovate.run_with(&[&charts.server.host(), "team", "app"], &[("LOG_LEVEL", "error")]);
    let found = last_line(&run.succeeds());
    let of_repository: Vec<Value> = charts
        .packages
        .iter()
        .map(|package| {
            let digest = sha256(&package.bytes);
            json!({"version": package.version, "newDigest": digest.trim_start_matches("sha256:")})
        })
        .collect();
    assert_eq!(found["helm"], json!(of_repository));
    assert_eq!(found["docker"], json!([{"version": "1.2.3"}, {"version": "1.3.0"}]));
    charts.server.stop();
}
