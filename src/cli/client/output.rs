//! Results on standard output: text for people, one JSON document for scripts.

use std::io::{self, IsTerminal as _, Write as _};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde::Serialize;

#[derive(Args)]
pub struct Output {
    /// How to write the result
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

impl Output {
    pub fn is_json(&self) -> bool {
        self.output == Format::Json
    }

    /// `value` as one JSON document, or what `text` makes of it.
    pub fn write<T: Serialize>(&self, value: &T, text: impl FnOnce(&T) -> String) -> anyhow::Result<()> {
        if self.is_json() {
            let mut json = serde_json::to_string_pretty(value)?;
            json.push('\n');
            return raw(json.as_bytes());
        }
        people(&text(value))
    }
}

/// A text of which a part may come from a registry: on a terminal it steers nothing.
pub fn people(text: &str) -> anyhow::Result<()> {
    if !io::stdout().is_terminal() {
        return raw(text.as_bytes());
    }
    let steers = |c: char| {
        (c.is_control() && !"\n\t".contains(c))
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let harmless: String = text.chars().map(|c| if steers(c) { '\u{fffd}' } else { c }).collect();
    raw(harmless.as_bytes())
}

/// A reader that has seen enough (`| head`) is no failure.
fn raw(bytes: &[u8]) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(()),
    }
}

/// A line beside the result, on standard error.
pub fn note(text: &str) {
    // With standard error gone there is nobody to tell.
    let _ = writeln!(io::stderr(), "{text}");
}

/// Columns as wide as they need to be, the last one as long as it is.
pub fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = head.map(|cell| cell.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &[&str]| {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            let cell = cell.replace(['\n', '\r'], " ");
            line.push_str(&format!("{cell:width$}  "));
        }
        format!("{}\n", line.trim_end())
    };
    let mut text = line(&head);
    for row in rows {
        text.push_str(&line(&row.each_ref().map(String::as_str)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_as_wide_as_its_cells() {
        let rows = [["app".to_owned(), "a\nb".to_owned()], ["longer".to_owned(), String::new()]];
        assert_eq!(table(["NAME", "TEXT"], &rows), "NAME    TEXT\napp     a b\nlonger\n");
    }
}
