//! Which proxy is asked.

use charthouse::network::{ProxyRules, ProxyVariables, Route};
use reqwest::Url;
use serde_json::{Value, json};

use super::ask;

#[test]
fn proxies_are_chosen_as_in_go() {
    let exceptions = [
        "",
        "*",
        ",*",
        "r.io",
        ".r.io",
        "*.r.io",
        "*r.io",
        "R.IO",
        " r.io ,",
        "r.io:443",
        "r.io:80",
        "r.io:5000",
        "r.io:",
        ":80",
        "io",
        "a.r.io, b.io",
        "a.r.io b.io",
        "10.0.0.0/8",
        "10.1.2.3/8",
        "10.0.0.0/33",
        "10.0.0.0/+8",
        "10.0.0.0/08",
        "10.0.0.1",
        "10.0.0.1:80",
        "10.0.0.1:5000",
        "10.0.0",
        "010.0.0.1",
        "0.0.0.0/0",
        "::/0",
        "fd00::/8",
        "fd00::1",
        "[fd00::1]",
        "[fd00::1]:80",
        "[fd00::1]:5000",
        "fd00::1/128",
        "::ffff:10.0.0.1",
        "::ffff:10.0.0.0/104",
        "::ffff:0:0/95",
        "b\u{fc}cher.example",
        ".B\u{dc}CHER.example",
        "xn--bcher-kva.example",
        "localhost",
        "127.0.0.0/8",
        "http://r.io",
        "[",
        "]:",
        ".",
        "r.io.",
        "r.io:http",
        "r.io:080",
        "[r.io]:80",
    ];
    let urls = [
        "http://r.io/",
        "https://r.io/v2/",
        "http://r.io:5000/",
        "https://a.r.io/",
        "http://ar.io/",
        "http://r.io.evil/",
        "http://10.0.0.1/",
        "https://10.0.0.1:5000/",
        "http://10.200.0.1/",
        "http://11.0.0.1/",
        "http://[fd00::1]/",
        "http://[fd00::1]:5000/",
        "https://[fe00::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://localhost/",
        "https://localhost:5000/",
        "http://a.localhost/",
        "http://127.0.0.1:5000/",
        "http://127.9.9.9/",
        "http://[::1]/",
        "http://0.0.0.0/",
        "http://xn--bcher-kva.example/",
        "http://b\u{fc}cher.example/",
        "http://r.io./",
        "ftp://r.io/",
    ];
    let mut questions = Vec::new();
    for (no_proxy, url) in exceptions.iter().flat_map(|one| urls.iter().map(move |url| (*one, *url))) {
        questions.push(json!({"kind": "proxy", "http_proxy": "p.io:3128", "https_proxy": "https://s.io", "no_proxy": no_proxy, "url": url}));
    }
    let values = [
        "",
        "p",
        "p:1",
        "p.io",
        "127.0.0.1:3128",
        "http://p",
        "http://p:80",
        "HTTP://P:1/x?y",
        "https://u:p@s:1",
        "u:p@p:1",
        "socks5://s:1",
        "socks5h://s",
        "http:p",
        "//p",
        "[::1]:3128",
        "http://[::1]:3128",
        "http://p:x",
        "p:99999",
    ];
    for (value, cgi) in values.iter().flat_map(|value| [(*value, false), (*value, true)]) {
        for url in ["http://r.io/", "https://r.io/"] {
            questions.push(
                json!({"kind": "proxy", "http_proxy": value, "https_proxy": value, "cgi": cgi, "url": url}),
            );
        }
    }
    let Some(answers) = ask(&questions) else { return };
    let mut differences = Vec::new();
    for (question, answer) in questions.iter().zip(&answers) {
        let text = |name: &str| question[name].as_str().unwrap_or_default().to_owned();
        let rules = ProxyRules::new(&ProxyVariables {
            http_proxy: text("http_proxy"),
            https_proxy: text("https_proxy"),
            no_proxy: text("no_proxy"),
            is_cgi: question["cgi"] == true,
        });
        let ours = match rules.route(&Url::parse(&text("url")).expect("a URL")) {
            Route::Direct => "direct".to_owned(),
            Route::Refused => "refused".to_owned(),
            Route::Through(proxy) => {
                let (url, host) = (&proxy.url, proxy.url.host_str().unwrap_or_default());
                let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
                format!("{}://{host}{port}", url.scheme().replace("socks5h", "socks5"))
            }
        };
        let go = match (&answer["error"], &answer["proxy"]) {
            (Value::Null, Value::String(proxy)) => {
                let bare = if proxy.starts_with("http:") { proxy.strip_suffix(":80") } else { None };
                bare.unwrap_or(proxy).replace("socks5h", "socks5")
            }
            (Value::Null, _) => "direct".to_owned(),
            _ => "refused".to_owned(),
        };
        // A value that no URL can hold: Go takes it for a name and fails to resolve it.
        let is_no_proxy = !rules.warnings().is_empty() && ours == "direct";
        if ours != go && !is_no_proxy {
            differences.push(format!("{question}: ours {ours}, Go {go}"));
        }
    }
    assert!(questions.len() > 1_000 && differences.is_empty(), "{}", differences.join("\n"));
}
