use std::io;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use serde_json::Value as Json;
use tracing::{debug, error, info, warn};
use tracing_subscriber::fmt::MakeWriter;

use super::line::Lines;
use super::subscriber;
use crate::config::{Log, Service, Value};

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// What `events` writes.
fn written(log: &Log, lines: Lines, colours: bool, events: impl FnOnce()) -> String {
    let captured = Captured::default();
    let subscriber = subscriber(log, lines, colours, captured.clone()).unwrap();
    tracing::subscriber::with_default(subscriber, events);
    String::from_utf8(captured.0.lock().unwrap().clone()).unwrap()
}

fn json(events: impl FnOnce()) -> String {
    written(&Log::default(), Lines::json(&Service::default()), false, events)
}

fn pretty(events: impl FnOnce()) -> String {
    written(&Log::default(), Lines::Pretty, false, events)
}

const HOSTILE: &str = "a\n{\"level\":\"ERROR\"}\r\u{1b}[31m\u{7f}\u{85}\u{9b}2J\u{0}\u{202e}\u{2066}\u{2028}\u{200b}\u{feff}\u{e0041}\"\\é";

fn can_be_seen(text: &str) -> bool {
    let hidden = |c: char| c.is_control() || "\u{202e}\u{2066}\u{2028}\u{200b}\u{feff}\u{e0041}".contains(c);
    !text.chars().any(hidden)
}

#[test]
fn a_json_line_holds_the_fields_with_their_types_and_the_service() {
    let line = json(
        || info!(target: "t", n = 7_u64, below = -1, yes = true, text = "x", path = %"/v2/", f = 1.5, "did {}", "it"),
    );
    let value: Json = serde_json::from_str(&line).unwrap();
    let time = value["time"].as_str().unwrap();
    assert!(time.ends_with('Z') && crate::clock::Timestamp::parse(time).is_some(), "{time}");
    for (name, expected) in [
        ("level", Json::from("INFO")),
        ("target", "t".into()),
        ("message", "did it".into()),
        ("n", 7.into()),
        ("below", (-1).into()),
        ("yes", true.into()),
        ("text", "x".into()),
        ("path", "/v2/".into()),
        ("service", "charthouse".into()),
        ("environment", "development".into()),
    ] {
        assert_eq!(value[name], expected, "{name} in {line}");
    }
    assert!(line.ends_with("}\n") && line.matches('\n').count() == 1);
}

#[test]
fn a_field_cannot_take_the_place_of_what_is_in_every_line() {
    let line = json(|| info!(level = "ERROR", service = "other", "x"));
    assert_eq!(line.matches("\"level\":").count(), 1, "{line}");
    let value: Json = serde_json::from_str(&line).unwrap();
    assert_eq!((&value["level"], &value["level_"]), (&"INFO".into(), &"ERROR".into()));
}

#[test]
fn a_pretty_line_is_for_people() {
    let line = pretty(|| warn!(target: "t", n = 7, name = "a b", path = "/v2/", none = "", "did it"));
    let (_, rest) = line.split_once(' ').unwrap();
    assert_eq!(rest, " WARN t: did it n=7 name=\"a b\" path=/v2/ none=\"\"\n");
    let coloured = written(&Log::default(), Lines::Pretty, true, || error!(target: "t", "x"));
    assert!(coloured.contains("\u{1b}[31mERROR\u{1b}[0m t: x"), "{coloured:?}");
}

#[test]
fn what_steers_terminals_or_forges_lines_is_escaped_everywhere() {
    for log in [json, pretty] {
        let line = log(|| info!(text = HOSTILE, display = %HOSTILE, debug = ?HOSTILE, "said {HOSTILE}"));
        let line = line.strip_suffix('\n').unwrap();
        assert!(can_be_seen(line), "{line:?}");
        assert!(line.contains('é'), "what can be seen stays: {line}");
    }
    let line = json(|| info!(display = %HOSTILE, "said {HOSTILE}"));
    let value: Json = serde_json::from_str(&line).unwrap();
    assert_eq!(value["display"], HOSTILE);
    assert_eq!(value["message"], format!("said {HOSTILE}"));
}

proptest! {
    #[test]
    fn any_text_is_one_line_and_json_gives_it_back(text in any::<String>()) {
        let line = json(|| info!(text, "{text}"));
        let value: Json = serde_json::from_str(&line).unwrap();
        prop_assert_eq!(value["text"].as_str(), Some(text.as_str()));
        prop_assert_eq!(value["message"].as_str(), Some(text.as_str()));
        let line = pretty(|| info!(text, "{text}"));
        prop_assert!(can_be_seen(line.strip_suffix('\n').unwrap()));
    }
}

#[test]
fn levels_and_access_lines_are_chosen_apart() {
    let cases = [
        ("info", true, "IA"),
        ("info", false, "I"),
        ("error", true, "A"),
        ("error", false, ""),
        ("debug", true, "DIAHW"),
        ("error,here=debug", false, "H"),
        ("info,here=debug", false, "IH"),
        ("info,actix_server=info", false, "IW"),
    ];
    for (level, access, expected) in cases {
        let log = Log { level: Value::read(level).unwrap(), access, ..Log::default() };
        let text = written(&log, Lines::Pretty, false, || {
            debug!("D");
            info!("I");
            info!(target: "charthouse::access", "A");
            debug!(target: "here", "H");
            info!(target: "actix_server::worker", "W");
        });
        let said: String = text.lines().filter_map(|line| line.chars().last()).collect();
        assert_eq!(said, expected, "{level} {access}");
    }
}
