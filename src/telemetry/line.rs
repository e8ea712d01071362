//! How a line looks.
//!
//! JSON: `{"time":"2026-01-02T03:04:05.678901Z","level":"INFO","target":"...","message":"...", fields of the event,
//! "service":"...","environment":"..."}`. Pretty: `time LEVEL target: message field=value`.

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::clock::{Clock, SystemClock};
use crate::config::Service;

/// What stands in every JSON line; a field of an event with such a name gets a `_`.
const TAKEN: [&str; 6] = ["time", "level", "target", "message", "service", "environment"];

pub(super) enum Lines {
    /// With its last members, ready to be written.
    Json(String),
    Pretty,
}

impl Lines {
    pub(super) fn json(service: &Service) -> Self {
        let mut end = String::new();
        member(&mut end, "service", service.name.as_str());
        member(&mut end, "environment", service.environment.as_str());
        Self::Json(end)
    }
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let (now, meta) = (SystemClock::default().now(), event.metadata());
        let level = meta.level();
        match self {
            Self::Json(end) => {
                let mut members = Members::default();
                event.record(&mut members);
                write!(writer, "{{\"time\":\"{now}\",\"level\":\"{level}\"")?;
                member(&mut writer, "target", meta.target());
                member(&mut writer, "message", &members.message);
                writeln!(writer, "{}{end}}}", members.others)
            }
            Self::Pretty => {
                let mut words = Words::default();
                event.record(&mut words);
                let (on, off) =
                    if writer.has_ansi_escapes() { (colour(*level), "\x1b[0m") } else { ("", "") };
                write!(writer, "{now} {on}{level:>5}{off} {}: ", meta.target())?;
                words.message.chars().try_for_each(|c| visible(&mut writer, c))?;
                writeln!(writer, "{}", words.others)
            }
        }
    }
}

fn colour(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        Level::DEBUG => "\x1b[34m",
        Level::TRACE => "\x1b[35m",
    }
}

/// The fields of an event as members of a JSON object, each after a comma.
#[derive(Default)]
struct Members {
    message: String,
    others: String,
}

impl Members {
    fn literal(&mut self, field: &Field, value: impl fmt::Display) {
        name(&mut self.others, field.name());
        // Writing to a string cannot fail.
        let _ = write!(self.others, "{value}");
    }
}

impl Visit for Members {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => value.clone_into(&mut self.message),
            name if TAKEN.contains(&name) => member(&mut self.others, &format!("{name}_"), value),
            name => member(&mut self.others, name, value),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.literal(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.literal(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.literal(field, value);
    }
}

/// The fields of an event as ` name=value`.
#[derive(Default)]
struct Words {
    message: String,
    others: String,
}

impl Visit for Words {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            return value.clone_into(&mut self.message);
        }
        self.others.extend([" ", field.name(), "="]);
        let plain = |c: char| c.is_alphanumeric() || "-_./:@+%".contains(c);
        if !value.is_empty() && value.chars().all(plain) {
            self.others.push_str(value);
        } else {
            quoted(&mut self.others, value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

/// `,"name":"value"`
fn member(out: &mut impl fmt::Write, key: &str, value: &str) {
    name(out, key);
    quoted(out, value);
}

fn name(out: &mut impl fmt::Write, name: &str) {
    let _ = write!(out, ",\"{name}\":");
}

/// A JSON string (RFC 8259 section 7).
fn quoted(out: &mut impl fmt::Write, text: &str) {
    let _ = out.write_char('"');
    for c in text.chars() {
        let _ = match c {
            '"' | '\\' => out.write_char('\\').and_then(|()| out.write_char(c)),
            _ => visible(out, c),
        };
    }
    let _ = out.write_char('"');
}

/// The character, or `\u....` for one that cannot be seen but does something.
fn visible(out: &mut impl fmt::Write, c: char) -> fmt::Result {
    if !is_hidden(c) {
        return out.write_char(c);
    }
    c.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(out, "\\u{unit:04x}"))
}

/// Control characters (C0, DEL, C1), line and paragraph separators, and marks that reorder or hide text.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
