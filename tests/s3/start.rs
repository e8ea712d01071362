//! A start that cannot succeed fails at once, with one line that says what to do; only silence is waited for.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "secret")];
/// What a failed start said, but for the line that it begins.
fn told(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    text.lines().filter(|line| !line.contains("\"level\":\"INFO\"")).collect::<Vec<_>>().join("\n")
}

/// A server that waits, does so for 10 s.
const AT_ONCE: Duration = Duration::from_secs(8);

/// A service that has one answer for everything. It ends with the test's process.
fn service(status: &'static str, body: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let answer = move |mut stream: TcpStream| {
        let mut request = [0; 16 << 10];
        while stream.read(&mut request).is_ok_and(|read| read > 0) {
            let length = body.len();
            let sent = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}");
            if sent.is_err() {
                return;
            }
        }
    };
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer(stream));
        }
    });
    address
}

fn serve(endpoint: &str, variables: &[(&str, &str)]) -> (Output, Duration) {
    let home = tempfile::tempdir().expect("a home");
    let storage = format!("s3://charts?endpoint={endpoint}&path_style=true");
    let started = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_charthouse"))
        .args(["serve", "--listen", "127.0.0.1:0", "--metrics-listen", "off", "--storage", &storage])
        .env_clear()
        .env("HOME", home.path())
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(variables.iter().copied())
        .output()
        .expect("run it");
    (output, started.elapsed())
}

#[track_caller]
fn assert_fails_at_once(endpoint: &str, variables: &[(&str, &str)], says: &[&str]) {
    let (output, took) = serve(endpoint, variables);
    let told = told(&output);
    assert!(!output.status.success() && took < AT_ONCE, "after {took:?}: {told}");
    assert_eq!(told.lines().count(), 1, "one line: {told}");
    assert!(says.iter().all(|says| told.contains(says)), "{told} does not say {says:?}");
    let internal = ["dispatch failure", "Attempted", "unhandled", "SdkError", "\\u000a"];
    assert!(!internal.iter().any(|word| told.contains(word)), "{told}");
}

const DENIED: &str =
    "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>Access Denied.</Message></Error>";
const NO_BUCKET: &str =
    "<?xml version=\"1.0\"?><Error><Code>NoSuchBucket</Code><Message>No such bucket.</Message></Error>";

#[test]
fn what_waiting_cannot_mend_is_told_at_once() {
    let page = "<html><body>Welcome</body></html>";
    let cases = [
        ("404 Not Found", page, ["404", "storage.url"]),
        ("404 Not Found", "", ["404", "storage.url"]),
        ("200 OK", page, ["no store", "storage.url"]),
        ("302 Found\r\nLocation: https://example.com/", "", ["302", "storage.url"]),
        ("403 Forbidden", DENIED, ["AccessDenied", "s3:GetObject"]),
        ("404 Not Found", NO_BUCKET, ["NoSuchBucket", "create the bucket"]),
    ];
    for (status, body, says) in cases {
        println!("{status} {body}");
        assert_fails_at_once(&format!("http://{}", service(status, body)), &KEYS, &says);
    }
}

#[test]
fn a_start_without_credentials_says_which_are_looked_for() {
    let address = service("404 Not Found", "");
    assert_fails_at_once(
        &format!("http://{address}"),
        &[],
        &["no credentials", "AWS_ACCESS_KEY_ID", "AWS_PROFILE"],
    );
}

#[test]
fn tls_with_a_service_that_speaks_none_is_told_at_once() {
    let address = service("400 Bad Request", "");
    assert_fails_at_once(&format!("https://{address}"), &KEYS, &["http://", "storage.url"]);
}

#[test]
fn a_service_that_is_not_there_yet_is_waited_for() {
    let address = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("an address")
    };
    let (output, took) = serve(&format!("http://{address}"), &KEYS);
    let told = told(&output);
    assert!(!output.status.success() && took >= Duration::from_secs(10), "after {took:?}: {told}");
    assert!(told.contains("refused") && !told.contains("dispatch failure"), "{told}");
    // One warning, and the error at the end.
    assert_eq!(told.lines().count(), 2, "{told}");
}
