//! The client pushes and pulls 100 charts in no more time than Helm needs for 20.

use std::fs;
use std::time::{Duration, Instant};

use super::Charthouse;
use crate::clients::helm::Helm;
use crate::support::artifact::noise;
use crate::support::charts::{Packed, pack_sources};
use crate::support::server::Server;

const OURS: usize = 100;
const THEIRS: usize = 20;
/// A machine that does something else for a moment is measured again.
const ATTEMPTS: usize = 3;

fn charts() -> Vec<Packed> {
    let chart = |at: usize| {
        let metadata = format!("apiVersion: v2\nname: app\nversion: 1.0.{at}\n");
        pack_sources([
            ("Chart.yaml".to_owned(), metadata.into_bytes()),
            ("noise.bin".to_owned(), noise(&format!("chart {at}"), 100_000).to_vec()),
        ])
    };
    (0..OURS).map(chart).collect()
}

fn timed(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

#[test]
fn a_hundred_charts_go_as_fast_as_twenty_of_helm() {
    let Some(helm) = Helm::find(4) else { return };
    let charts = charts();
    let charthouse = Charthouse::new();
    for chart in &charts {
        chart.write(charthouse.home());
        chart.write(helm.client().home());
    }
    let mut said = Vec::new();
    for _ in 0..ATTEMPTS {
        let server = Server::in_memory();
        let (ours, theirs) =
            (format!("oci://{}/ours", server.host()), format!("oci://{}/theirs", server.host()));
        let names: Vec<&str> = charts.iter().map(|chart| chart.file_name.as_str()).collect();
        let push = [&["push"], names.as_slice(), &[ours.as_str()]].concat();
        let pushed = timed(|| drop(charthouse.run(&push).succeeds()));
        let helm_pushed = timed(|| {
            for chart in &charts[..THEIRS] {
                helm.run(&["push", &chart.file_name, &theirs]).succeeds();
            }
        });
        let references: Vec<String> =
            charts.iter().map(|chart| format!("{ours}/app:{}", chart.version)).collect();
        let references: Vec<&str> = references.iter().map(String::as_str).collect();
        fs::create_dir_all(charthouse.path("out")).expect("a folder");
        let pull = [&["pull", "-d", "out"], references.as_slice()].concat();
        let pulled = timed(|| drop(charthouse.run(&pull).succeeds()));
        let helm_pulled = timed(|| {
            for chart in &charts[..THEIRS] {
                let app = format!("{theirs}/app");
                helm.run(&["pull", &app, "--version", &chart.version, "-d", "."]).succeeds();
            }
        });
        server.stop();
        for chart in &charts {
            assert!(
                fs::read(charthouse.path("out").join(&chart.file_name)).expect("a package") == chart.bytes
            );
        }
        said.push(format!(
            "push {pushed:?} against {helm_pushed:?}, pull {pulled:?} against {helm_pulled:?}"
        ));
        if pushed <= helm_pushed && pulled <= helm_pulled {
            return;
        }
    }
    panic!("{said:#?}");
}
