//! Web pages of other sites change nothing, whatever headers a browser sends for them.

use charthouse::config::{CorsOrigin, ExternalUrl, Value};

use super::{Form, assert_says, assert_unchanged, changes, configured, prepare, unconfigured};
use crate::museum::form;
use crate::support::app::TestServer;
use crate::support::charts::pack;
use crate::support::http::Request;

const SAYS: [&str; 3] = ["another site", "server.cors.origins", "server.external_url"];

type Headers = &'static [(&'static str, &'static str)];

fn with(request: Request, headers: Headers) -> Request {
    headers.iter().fold(request, |request, (name, value)| request.header(name, *value))
}

/// What a server says to `POST /v2/team/app/blobs/uploads/` with these headers.
async fn post(server: &TestServer, headers: Headers) -> u16 {
    let reply = server.send(with(Request::post("/v2/team/app/blobs/uploads/"), headers)).await;
    if reply.status != 202 {
        assert_says(&reply, 403, Form::Oci, &SAYS);
    }
    reply.status
}

async fn check(server: &TestServer, cases: &[(Headers, bool)]) {
    for (headers, passes) in cases {
        let expected = if *passes { 202 } else { 403 };
        assert_eq!(post(server, headers).await, expected, "{headers:?}");
    }
}

#[tokio::test]
async fn no_change_by_a_foreign_page_is_made_on_any_path() {
    let server = configured(|_| {}).await;
    let image = prepare(&server).await;
    let foreign: [Headers; 4] = [
        &[("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site")],
        &[("Origin", "https://evil.example")],
        &[("Sec-Fetch-Site", "cross-site")],
        &[("Sec-Fetch-Site", "same-site"), ("Authorization", "Basic YWRhOnNlY3JldA==")],
    ];
    for headers in foreign {
        for (form, request) in changes(&server, &image).await {
            println!("{headers:?} {} {}", request.method, request.target());
            assert_says(&server.send(with(request, headers)).await, 403, form, &SAYS);
        }
    }
    assert_unchanged(&server, &image).await;
}

/// The attack as it was found: the page's own name resolves to 127.0.0.1, and a form needs no preflight.
#[tokio::test]
async fn a_form_of_a_foreign_page_is_refused_under_the_name_of_that_page() {
    let chart = pack("app-1.2.3", &[]);
    for server in [unconfigured().await, configured(|_| {}).await] {
        let attack = || {
            form("/api/team/charts".into(), &[("chart", &chart.bytes)])
                .header("Host", "evil.example")
                .header("Origin", "https://evil.example")
        };
        for site in ["cross-site", "same-origin"] {
            let reply = server.send(attack().header("Sec-Fetch-Site", site)).await;
            assert_says(&reply, 403, Form::Museum, &[]);
        }
        assert_eq!(server.get("/v2/_catalog").await.json()["repositories"], serde_json::json!([]));
    }
}

#[tokio::test]
async fn a_change_is_refused_before_its_body_is_read() {
    let server = configured(|_| {}).await;
    let request = Request::post("/api/team/charts")
        .header("Origin", "https://evil.example")
        .header("Content-Length", "10000000");
    // No byte of the body follows.
    assert_says(&server.send(request).await, 403, Form::Museum, &SAYS);
}

#[tokio::test]
async fn reads_and_clients_that_are_no_browsers_are_not_concerned() {
    let server = configured(|_| {}).await;
    prepare(&server).await;
    let foreign: Headers = &[("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site")];
    for target in ["/v2/", "/v2/_catalog", "/team/index.yaml", "/api/team/charts", "/health"] {
        for method in ["GET", "HEAD"] {
            let reply = server.send(with(Request::new(method, target), foreign)).await;
            assert_eq!(reply.status, 200, "{method} {target}");
            assert_eq!(reply.header("access-control-allow-origin"), None, "{method} {target}");
        }
    }
    assert_eq!(server.send(with(Request::new("OPTIONS", "/v2/"), foreign)).await.status, 405);
    check(&server, &[(&[], true), (&[("User-Agent", "Helm/4.2"), ("Authorization", "Basic eDp5")], true)])
        .await;
}

#[tokio::test]
async fn values_that_browsers_do_not_send_count_as_foreign() {
    let server = configured(|settings| {
        settings.server.cors.origins = vec![CorsOrigin::read("https://ui.example.com").unwrap()];
    })
    .await;
    let cases: [(Headers, bool); 17] = [
        (&[("Sec-Fetch-Site", "none")], true),
        (&[("Sec-Fetch-Site", "same-origin")], true),
        (&[("Sec-Fetch-Site", "same-site")], false),
        (&[("Sec-Fetch-Site", "cross-site")], false),
        (&[("Sec-Fetch-Site", "")], false),
        (&[("Sec-Fetch-Site", "Same-Origin")], false),
        (&[("Sec-Fetch-Site", "same-origin, cross-site")], false),
        (&[("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")], false),
        (&[("Sec-Fetch-Site", "none"), ("Sec-Fetch-Site", "none")], false),
        (&[("Origin", "null")], false),
        (&[("Origin", "")], false),
        (&[("Origin", "https://ui.example.com/")], false),
        (&[("Origin", "HTTPS://UI.EXAMPLE.COM")], false),
        (&[("Origin", "ui.example.com")], false),
        (&[("Origin", "https://ui.example.com https://evil.example")], false),
        (&[("Origin", "https://ui.example.com"), ("Origin", "https://evil.example")], false),
        (&[("Origin", "https://ui.example.com"), ("Origin", "https://ui.example.com")], false),
    ];
    check(&server, &cases).await;
}

#[tokio::test]
async fn pages_of_an_origin_that_the_settings_name_may_write() {
    let server = configured(|settings| {
        let origins = ["https://ui.example.com", "*"].map(|origin| CorsOrigin::read(origin).unwrap());
        settings.server.cors.origins = origins.to_vec();
    })
    .await;
    let cases: [(Headers, bool); 5] = [
        (&[("Origin", "https://ui.example.com"), ("Sec-Fetch-Site", "cross-site")], true),
        (&[("Origin", "https://ui.example.com")], true),
        (&[("Origin", "http://ui.example.com")], false),
        (&[("Origin", "https://ui.example.com:8443")], false),
        (&[("Origin", "https://ui.example.com.evil.example")], false),
    ];
    check(&server, &cases).await;
    assert_eq!(
        allowed_methods(&server, "https://ui.example.com").await,
        Some("GET, HEAD, POST, PUT, PATCH, DELETE".into())
    );
    assert_eq!(allowed_methods(&server, "https://other.example").await, Some("GET, HEAD".into()));
}

#[tokio::test]
async fn a_star_lets_every_page_read_and_none_write() {
    let server =
        configured(|settings| settings.server.cors.origins = vec![CorsOrigin::read("*").unwrap()]).await;
    let cases: [(Headers, bool); 3] = [
        (&[("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site")], false),
        (&[("Origin", "https://evil.example")], false),
        (&[("Origin", "null")], false),
    ];
    check(&server, &cases).await;
    assert_eq!(allowed_methods(&server, "https://evil.example").await, Some("GET, HEAD".into()));
    let read = server.send(Request::get("/v2/_catalog").header("Origin", "https://evil.example")).await;
    assert_eq!(read.header("access-control-allow-origin"), Some("https://evil.example"));
}

/// What a preflight request is told that pages of `origin` may do.
async fn allowed_methods(server: &TestServer, origin: &str) -> Option<String> {
    let preflight = Request::new("OPTIONS", "/v2/team/app/manifests/1")
        .header("Origin", origin)
        .header("Access-Control-Request-Method", "PUT");
    server.send(preflight).await.header("access-control-allow-methods").map(str::to_owned)
}

#[tokio::test]
async fn with_an_external_url_its_origin_alone_is_our_own() {
    for url in ["https://charts.example.com", "https://charts.example.com:443/"] {
        let server = configured(|settings| {
            settings.server.external_url = Some(ExternalUrl::read(url).unwrap());
        })
        .await;
        let cases: [(Headers, bool); 6] = [
            (&[("Origin", "https://charts.example.com"), ("Sec-Fetch-Site", "same-origin")], true),
            (&[("Origin", "https://charts.example.com"), ("Host", "10.0.0.1:5000")], true),
            (&[("Origin", "https://charts.example.com"), ("Sec-Fetch-Site", "cross-site")], false),
            (&[("Origin", "http://charts.example.com"), ("Host", "charts.example.com")], false),
            (&[("Origin", "https://charts.example.com:8443")], false),
            (&[("Origin", "http://localhost"), ("Host", "localhost")], false),
        ];
        check(&server, &cases).await;
    }
}

#[tokio::test]
async fn without_an_external_url_only_an_address_or_a_loopback_name_is_our_own() {
    let cases: [(Headers, bool); 10] = [
        (&[("Origin", "http://localhost:5000"), ("Host", "localhost:5000")], true),
        (&[("Origin", "http://localhost:5000"), ("Host", "LocalHost:5000")], true),
        (&[("Origin", "http://127.0.0.1"), ("Host", "127.0.0.1:80")], true),
        (&[("Origin", "http://[::1]:5000"), ("Host", "[::1]:5000"), ("Sec-Fetch-Site", "same-origin")], true),
        (&[("Origin", "http://localhost:3000"), ("Host", "localhost:5000")], false),
        (&[("Origin", "https://localhost:5000"), ("Host", "localhost:5000")], false),
        (&[("Origin", "http://localhost:5000"), ("Host", "127.0.0.1:5000")], false),
        (&[("Origin", "http://a.localhost"), ("Host", "b.localhost")], false),
        (
            &[
                ("Origin", "http://localhost:5000"),
                ("Host", "localhost:5000"),
                ("Sec-Fetch-Site", "same-site"),
            ],
            false,
        ),
        (&[("Origin", "null"), ("Host", "localhost:5000"), ("Sec-Fetch-Site", "same-origin")], false),
    ];
    for server in [unconfigured().await, configured(|_| {}).await] {
        check(&server, &cases).await;
    }
    let cases: [(Headers, bool); 4] = [
        (&[("Origin", "http://10.0.0.1:5000"), ("Host", "10.0.0.1:5000")], true),
        // The owner of a name lets it resolve to any address.
        (&[("Origin", "http://evil.example"), ("Host", "evil.example")], false),
        (
            &[("Origin", "http://evil.example"), ("Host", "evil.example"), ("Sec-Fetch-Site", "same-origin")],
            false,
        ),
        (&[("Origin", "http://10.0.0.1:5000"), ("Host", "10.0.0.2:5000")], false),
    ];
    check(&configured(|_| {}).await, &cases).await;
}
