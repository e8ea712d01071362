//! Behind a proxy that serves the registry's chart repositories and APIs below a path: links and redirects lead back
//! through it.

use serde_json::Value;
use tokio::runtime::Runtime;

use crate::support::charts::pack;
use crate::support::http::{self, Request, Response};
use crate::support::nginx::Nginx;
use crate::support::server::Server;

#[test]
fn pages_and_slashes_lead_back_through_the_proxy() {
    let variables =
        [("CHARTHOUSE_AUTH_ANONYMOUS", "write"), ("CHARTHOUSE_SERVER_TRUSTED_PROXIES", "127.0.0.1")];
    let server = Server::start_with(&["--storage", "memory:"], &variables);
    let Some(nginx) = Nginx::start_below("/charts", &[server.address()]) else { return };
    let runtime = Runtime::new().expect("a runtime");
    let address = nginx.host().parse().expect("an address");
    let send = |request: Request| -> Response {
        runtime.block_on(http::send(address, &request)).expect("an answer")
    };
    for chart in ["app-1.2.3", "app-1.3.0", "build-metadata", "deprecated"] {
        let sent = Request::post("/charts/api/team/charts").body(pack(chart, &[]).bytes);
        assert_eq!(send(sent).status, 201, "{chart}");
    }
    // Each page of one chart, as a client follows them.
    let base = reqwest::Url::parse(&format!("http://{}", nginx.host())).expect("a URL");
    for slash in ["", "/"] {
        let mut next =
            base.join(&format!("/charts/-/api/v1/charts{slash}?namespace=team&n=1")).expect("a URL");
        let mut found = Vec::new();
        loop {
            let target = next.as_str().trim_start_matches(base.as_str().trim_end_matches('/')).to_owned();
            let page = send(Request::get(target));
            assert_eq!(page.status, 200, "{}", page.text());
            let charts: Value = page.json()["charts"].clone();
            found.extend(charts.as_array().expect("charts").iter().map(|chart| chart["name"].clone()));
            let Some(link) = page.header("link") else { break };
            let target = link.trim_start_matches('<').split('>').next().expect("a target");
            next = next.join(target).expect("a reference");
        }
        assert_eq!(found, ["app", "deprecated", "metadata"]);
    }
    let moved = send(Request::get("/charts/team/index.yaml/"));
    let location = moved.header("location").expect("a place").to_owned();
    let led = base.join("/charts/team/index.yaml/").and_then(|from| from.join(&location)).expect("a URL");
    assert_eq!((moved.status, led.path()), (308, "/charts/team/index.yaml"));
    for target in ["/charts/api/team/charts/", "/charts/team/index.yaml", "/charts/team/charts/app-1.2.3.tgz"]
    {
        assert_eq!(send(Request::get(target)).status, 200, "{target}");
    }
    server.stop();
}
