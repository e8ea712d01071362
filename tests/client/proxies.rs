//! Proxies, as the variables of the environment name them.

use super::Charthouse;
use crate::support::hostile_registry::{Hostile, Reply};

/// Answers everything, as a registry of no tags and as a proxy for it.
fn answering() -> Hostile {
    Hostile::start(|_, _| Reply::ok("application/json", r#"{"tags":[]}"#))
}

/// What `resolve` says of the chart at `host`.
fn resolve(host: &str, variables: &[(&str, &str)], more: &[&str]) -> String {
    let charthouse = Charthouse::new();
    let reference = format!("oci://{host}/team/app");
    let mut command = charthouse.command(&[&["resolve", &reference], more].concat());
    String::from_utf8_lossy(&command.envs(variables.iter().copied()).output().unwrap().stderr).into_owned()
}

#[test]
fn this_machine_is_never_asked_through_a_proxy() {
    let (registry, proxy) = (answering(), answering());
    let port = registry.host().rsplit(':').next().unwrap().to_owned();
    let url = format!("http://{}", proxy.host());
    for host in [registry.host(), format!("localhost:{port}")] {
        for variable in ["HTTP_PROXY", "http_proxy"] {
            let said = resolve(&host, &[(variable, &url)], &["--plain-http"]);
            assert!(said.contains("no version"), "{host}: {said}");
        }
    }
    assert!(proxy.lines().is_empty(), "{:?}", proxy.lines());
}

#[test]
fn other_hosts_are_asked_through_it_unless_they_are_excepted() {
    let proxy = answering();
    let url = format!("http://ann:abc@{}", proxy.host());
    let said = resolve("registry.invalid:5000", &[("HTTP_PROXY", &url)], &["--plain-http"]);
    assert!(said.contains("no version"), "{said}");
    let asked = proxy.asked();
    assert_eq!(asked[0].line(), "GET http://registry.invalid:5000/v2/team/app/tags/list?n=1000");
    assert_eq!(asked[0].header("proxy-authorization"), Some("Basic YW5uOmFiYw=="));
    for excepted in ["*", "x, REGISTRY.invalid:5000"] {
        let variables = [("HTTP_PROXY", url.as_str()), ("NO_PROXY", excepted)];
        let said = resolve("registry.invalid:5000", &variables, &["--plain-http"]);
        assert!(
            said.contains("no answer to GET http://registry.invalid:5000/") && !said.contains("proxy"),
            "{said}"
        );
    }
    assert_eq!(proxy.asked().len(), 1, "{:?}", proxy.lines());
    let variables = [("HTTP_PROXY", url.as_str()), ("REQUEST_METHOD", "GET")];
    let said = resolve("registry.invalid:5000", &variables, &["--plain-http"]);
    assert!(said.contains("HTTP_PROXY is not used where REQUEST_METHOD is set"), "{said}");
}

#[test]
fn errors_name_the_proxy_without_its_password() {
    let nobody = "http://ann:hunter2@127.0.0.1:1";
    let said = resolve("registry.invalid", &[("HTTPS_PROXY", nobody)], &[]);
    let expected = "no answer to GET https://registry.invalid/v2/team/app/tags/list through the proxy http://127.0.0.1:1 of HTTPS_PROXY";
    assert!(said.contains(expected) && !said.contains("hunter2"), "{said}");

    let locked = Hostile::start(|_, _| Reply::new(407).header("Proxy-Authenticate", "Basic realm=\"x\""));
    let url = format!("http://{}", locked.host());
    let begun = std::time::Instant::now();
    let said = resolve("registry.invalid", &[("https_proxy", &url)], &[]);
    assert!(said.contains(&format!("through the proxy {url} of HTTPS_PROXY")), "{said}");
    assert!(said.contains("proxy authorization required"), "{said}");
    let said = resolve("registry.invalid", &[("http_proxy", &url)], &["--plain-http"]);
    assert!(
        said.contains("407") && said.contains(&format!("the proxy {url} of HTTP_PROXY asks for a user")),
        "{said}"
    );
    assert_eq!(locked.lines().len(), 2, "it is not asked again: {:?}", locked.lines());
    assert!(begun.elapsed().as_secs() < 5);

    let said = resolve("127.0.0.1:1", &[("HTTP_PROXY", "ftp://x")], &["--plain-http"]);
    assert!(said.contains("warning: HTTP_PROXY names a proxy by ftp://"), "{said}");
}
