//! The commands of the real binary: exit codes and what people read.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use crate::support::messages::assert_plain;
use crate::support::server::Server;

fn charthouse(arguments: &[&str]) -> Output {
    with_variables(arguments, &[])
}

fn with_variables(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_charthouse"))
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    assert_plain(&arguments.join(" "), &stderr(&output));
    output
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A file of settings in a folder that goes away with the guard.
fn file(yaml: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("charthouse.yaml");
    std::fs::write(&path, yaml).unwrap();
    (folder, path)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn config_check_ends_with_2_and_names_line_and_remedy() {
    let (_folder, path) = file("server:\n  listn: 127.0.0.1:5000\n");
    let output = charthouse(&["config", "check", "--config", text(&path)]);
    assert_eq!(code(&output), 2);
    assert_eq!(
        stderr(&output),
        format!(
            "error: file {}:2: `server.listn` is no setting; did you mean `server.listen`?\n",
            path.display()
        )
    );
    assert_eq!(stdout(&output), "");
}

#[test]
fn config_check_praises_the_file_we_ship() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/charthouse.yaml");
    let output = charthouse(&["config", "check", "--config", text(&shipped)]);
    assert_eq!((code(&output), stderr(&output)), (0, String::new()));
}

#[test]
fn every_kind_of_wrong_setting_ends_with_2_before_anything_is_served() {
    type Pairs<'a> = &'a [(&'a str, &'a str)];
    let cases: [(&[&str], Pairs, &str); 7] = [
        (&["--listen", "localhost"], &[], "flag --listen: server.listen: `localhost` is not an IP address"),
        (&["--listen", "0.0.0.0:0"], &[], "auth.anonymous: write"),
        (&["--storage", "gs://bucket"], &[], "flag --storage: storage.url: `gs://bucket` is no storage"),
        (
            &["--wait-for-lock", "soon"],
            &[],
            "flag --wait-for-lock: storage.wait_for_lock: `soon` is not a duration",
        ),
        (&["--config", "/nowhere.yaml"], &[], "cannot read the configuration file /nowhere.yaml"),
        (&[], &[("CHARTHOUSE_SERVER_LISTN", "x")], "did you mean CHARTHOUSE_SERVER_LISTEN?"),
        (&[], &[("CHARTHOUSE_CONFIG", "/nowhere.yaml")], "/nowhere.yaml"),
    ];
    for (arguments, variables, expected) in cases {
        for command in [&["serve"][..], &["config", "check"], &["config", "print"], &["healthcheck"]] {
            let arguments = [command, arguments].concat();
            let output = with_variables(&arguments, variables);
            // Containers know 0 and 1 only.
            let expected_code = if command == ["healthcheck"] { 1 } else { 2 };
            assert_eq!(code(&output), expected_code, "{arguments:?}: {output:?}");
            let said = stderr(&output);
            assert!(said.starts_with("error: ") && said.contains(expected), "{arguments:?}: {said}");
        }
    }
}

#[test]
fn config_print_shows_values_and_origins_and_is_a_configuration_again() {
    let (_folder, path) = file("log:\n  level: warn\n");
    let arguments = ["config", "print", "--config", text(&path), "--read-only"];
    let variables = [("CHARTHOUSE_SERVICE_NAME", "helm")];
    let output = with_variables(&arguments, &variables);
    assert_eq!(
        stdout(&output),
        format!(
            "storage:\n  read_only: true  # flag --read-only\n\
             log:\n  level: warn  # file {}:2\n\
             service:\n  name: helm  # environment CHARTHOUSE_SERVICE_NAME\n",
            path.display()
        )
    );
    let all = stdout(&with_variables(&[&arguments[..], &["--effective"]].concat(), &variables));
    assert!(all.contains("  listen: 127.0.0.1:5000  # default\n"), "{all}");
    let nothing = charthouse(&["config", "print"]);
    assert!(stdout(&nothing).starts_with("# Every setting has its default"), "{}", stdout(&nothing));
    let (_folder, printed) = file(&all);
    let again = charthouse(&["config", "print", "--config", text(&printed)]);
    assert!(stdout(&again).contains(&format!("level: warn  # file {}:", printed.display())));
}

#[test]
fn a_storage_that_cannot_be_opened_is_told_by_the_setting_to_change() {
    let serve = |storage: &str| {
        let variables = [
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_CONFIG_FILE", "/nonexistent"),
            ("AWS_ACCESS_KEY_ID", "key"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
        ];
        let output = with_variables(&["serve", "--listen", "127.0.0.1:0", "--storage", storage], &variables);
        assert_eq!(code(&output), 1);
        stderr(&output)
    };
    let told = serve("s3://bucket/prefix");
    assert!(told.contains("error: storage.url: no region: add region=NAME"), "{told}");
    let told = serve("s3://bucket?endpoint=http://127.0.0.1:1&path_style=true");
    assert!(told.contains("error: cannot open the storage s3://bucket?endpoint"), "{told}");
}

#[test]
fn a_server_is_healthy_logs_json_with_its_name_and_ends_well() {
    let (_folder, path) = file("service:\n  name: helm\n  environment: test\n  healthcheck: /up\n");
    let server = Server::start(&["--storage", "memory:", "--config", text(&path)]);
    let url = format!("http://{}/up", server.host());
    assert_eq!(code(&charthouse(&["healthcheck", "--url", &url])), 0);
    assert_eq!(code(&charthouse(&["healthcheck", "--url", &format!("{url}per")])), 1);
    let access = |log: &str, kind: &str| {
        let lines = log.lines().filter(|line| line.contains("charthouse::access"));
        lines.filter(|line| line.contains(kind)).map(str::to_owned).collect::<String>()
    };
    let accessed = |log: &str| log.lines().filter(|line| line.contains("charthouse::access")).count();
    let patience = Instant::now() + Duration::from_secs(10);
    while accessed(&server.log()) < 2 && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(10));
    }
    let log = server.log();
    assert_eq!(accessed(&log), 2, "{log}");
    assert!(access(&log, r#""kind":"health""#).contains("\"status\":200"), "{log}");
    assert!(access(&log, r#""kind":"none""#).contains(r#""path":"/upper""#), "{log}");
    for line in log.lines() {
        let line: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}"));
        assert_eq!((&line["service"], &line["environment"]), (&"helm".into(), &"test".into()), "{line}");
    }
    server.stop();
}

#[test]
fn a_server_that_cannot_start_says_why_once_and_ends_with_1() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| text(&folder.path().join(name)).to_owned();
    std::fs::write(at("file"), "").unwrap();
    std::fs::create_dir_all(at("home/tmp")).unwrap();
    std::fs::write(at("home/tmp/1"), "precious").unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let _held = TcpListener::bind(taken).unwrap();
    let cases = [
        (at("file"), "127.0.0.1:0".to_owned(), "file: not a directory"),
        (at("file/below"), "127.0.0.1:0".to_owned(), "below: Not a directory"),
        (at("home"), "127.0.0.1:0".to_owned(), "no charthouse store: name an empty or a new directory"),
        (at("store"), taken.to_string(), "(`--listen` names another address): Address already in use"),
    ];
    for (storage, listen, expected) in cases {
        let output = charthouse(&["serve", "--storage", &storage, "--listen", &listen]);
        let said = stderr(&output);
        assert_eq!(code(&output), 1, "{said}");
        let errors: Vec<_> = said.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(errors.len(), 1, "{said}");
        assert!(errors[0].contains(expected), "{said}");
        assert!(errors[0].matches("(os error").count() <= 1, "{said}");
    }
    assert!(std::fs::exists(at("home/tmp/1")).unwrap());
}

#[test]
fn a_second_server_over_a_directory_is_told_who_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let first = Server::over(folder.path());
    let output = charthouse(&["serve", "--listen", "127.0.0.1:0", "--storage", text(folder.path())]);
    assert_eq!(code(&output), 1);
    let expected = format!("is in use by process {}: stop it first", first.pid().as_raw_nonzero());
    assert!(stderr(&output).contains(&expected), "{}", stderr(&output));
    first.stop();
}

#[test]
fn unknown_flags_and_commands_end_with_2() {
    for arguments in [&["serve", "--port", "1"][..], &["sevre"], &["config"], &["completions", "dos"], &[]] {
        assert_eq!(code(&charthouse(arguments)), 2, "{arguments:?}");
    }
}

#[test]
fn help_version_and_completions_are_printed() {
    for (arguments, expected) in [
        (&["--help"][..], "healthcheck"),
        (&["serve", "--help"], "--wait-for-lock"),
        (&["--version"], env!("CARGO_PKG_VERSION")),
        (&["version"], "commit "),
        (&["completions", "bash"], "charthouse"),
        (&["completions", "zsh"], "#compdef charthouse"),
        (&["completions", "fish"], "complete -c charthouse"),
    ] {
        let output = charthouse(arguments);
        assert_eq!(code(&output), 0, "{arguments:?}");
        assert!(stdout(&output).contains(expected), "{arguments:?}: {}", stdout(&output));
    }
}

/// Answers one request with `answer`; gives back what was asked.
fn answer_once(answer: &'static str) -> (SocketAddr, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            request.extend(byte);
        }
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8(request).unwrap()
    });
    (address, asked)
}

#[test]
fn healthcheck_tells_good_from_bad_by_its_exit_code() {
    for (answer, expected) in [
        ("HTTP/1.1 200 OK\r\n\r\n", 0),
        ("HTTP/1.1 503 Service Unavailable\r\n\r\n", 1),
        ("HTTP/1.1 301 Moved\r\nLocation: /\r\n\r\n", 1),
        ("nonsense\r\n\r\n", 1),
        ("", 1),
    ] {
        let (address, asked) = answer_once(answer);
        let output = with_variables(
            &["healthcheck"],
            &[
                ("CHARTHOUSE_SERVER_LISTEN", &format!("0.0.0.0:{}", address.port())),
                ("CHARTHOUSE_AUTH_ANONYMOUS", "read"),
                ("CHARTHOUSE_SERVICE_HEALTHCHECK", "/up"),
            ],
        );
        assert_eq!(code(&output), expected, "{answer:?}: {output:?}");
        let asked = asked.join().unwrap();
        assert!(asked.starts_with(&format!("GET /up HTTP/1.1\r\nHost: {address}\r\n")), "{asked}");
    }
}

#[test]
fn healthcheck_without_a_server_fails_and_names_the_address() {
    let output = charthouse(&["healthcheck", "--url", "http://127.0.0.1:1/health"]);
    assert_eq!(code(&output), 1);
    assert!(stderr(&output).contains("no answer from http://127.0.0.1:1/health: "), "{}", stderr(&output));
    let output = charthouse(&["healthcheck", "--url", "https://127.0.0.1/health"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("plain HTTP only"), "{}", stderr(&output));
}

#[test]
fn a_command_whose_output_nobody_reads_does_not_fail() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_charthouse"))
        .args(["completions", "bash"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}
