//! What a push and a pull by Helm cost in requests to S3 (docs/performance.md has the table).

use s3_double::Counts;

use super::helm::Helm;
use super::with_each_helm;
use crate::support::artifact::noise;
use crate::support::charts::{Packed, pack_sources};
use crate::support::s3::{double, storage_of};
use crate::support::server::Server;

with_each_helm!(a_push_and_a_pull_cost_few_requests);

/// Version `n` of a chart whose package has about `size` bytes.
fn chart(n: usize, size: usize) -> Packed {
    let yaml = format!("apiVersion: v2\nname: app\nversion: 1.0.{n}\n");
    let ballast = noise(&format!("{n} of {size}"), size).to_vec();
    pack_sources([("Chart.yaml".to_owned(), yaml.into_bytes()), ("ballast".to_owned(), ballast)])
}

/// In single mode each namespace is looked at every 5 s, which may fall into what is measured.
fn cheapest(costs: impl Iterator<Item = Counts>) -> Counts {
    costs.min_by_key(Counts::total).expect("something was measured")
}

/// A later push writes the package (unless it rides along), and one commit for each of package, config, manifest and tag;
/// the first push of a repository writes its marker before and after. As long as the namespace does not exist, each look at it
/// is a read of commit 1 and a LIST.
fn a_push_and_a_pull_cost_few_requests(helm: &Helm) {
    for (mode, head_checks, check) in [("shared", 4, 1), ("single", 0, 0)] {
        let double = double();
        let (url, credentials) = storage_of(&double);
        let variables = [credentials.as_slice(), &[("CHARTHOUSE_STORAGE_MODE", mode)]].concat();
        let server = Server::start_with(&["--storage", &url], &variables);
        let cost = |what: &str, work: &dyn Fn()| -> Counts {
            double.reset_counts();
            work();
            let counts = double.counts();
            println!("{mode}: {what}: {counts:?}");
            counts
        };
        for (size, creates) in [(8 << 10, 4), (100 << 10, 5)] {
            let namespace = format!("oci://{}/{size}", server.host());
            let push = |n: usize| {
                let chart = chart(n, size);
                cost("push", &|| drop(helm.push(&chart, &namespace)))
            };
            let first = push(0);
            assert!(first.put <= creates + 2 && first.list <= first.get && first.list <= 8, "{first:?}");
            assert_eq!(first.total(), first.put + first.get + first.list);
            let later = cheapest((1..4).map(push));
            assert!(later.put <= creates && later.get <= head_checks, "{size} bytes: {later:?}");
            assert_eq!(later.total(), later.put + later.get);
            let reference = format!("{namespace}/app:1.0.2");
            let pull = cheapest((0..3).map(|_| cost("pull", &|| drop(helm.pull(&reference, &[])))));
            assert!(pull.get <= check && pull.total() == pull.get, "{size} bytes: {pull:?}");
            let repository = format!("http://{}/{size}", server.host());
            let index = cheapest((0..3).map(|_| {
                cost("index and package", &|| {
                    helm.client()
                        .run(&["pull", "app", "--repo", &repository, "--version", "1.0.0"])
                        .succeeds();
                })
            }));
            assert!(index.get <= 2 * check && index.total() == index.get, "{index:?}");
        }
    }
}
