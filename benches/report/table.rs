//! The report as Markdown: a table for each workload's rows, then what was lost, then what was not measured.

use std::fmt::Write;

use super::{Column, Report, Row, spread};
use crate::peers::Kind;

const COLUMNS: [Column; 5] = [
    Column::Peer(Kind::OURS),
    Column::Peer(Kind::Charthouse { access: true }),
    Column::Peer(Kind::Distribution),
    Column::Peer(Kind::Nginx),
    Column::Baseline,
];
const OURS: Column = Column::Peer(Kind::OURS);

pub fn to_table(report: &Report) -> String {
    let is_used = |column: &&Column| report.rows.iter().any(|row| row.values(**column).is_some());
    let columns: Vec<Column> = COLUMNS.iter().filter(is_used).copied().collect();
    let mut text = String::from("| | what | bar |");
    columns.iter().for_each(|column| text.extend([" ", column.name(), " |"]));
    text.push_str("\n|---|---|---|");
    columns.iter().for_each(|_| text.push_str("---|"));
    text.push('\n');
    for row in report.rows.iter().filter(|row| !row.cells.is_empty()) {
        line(&mut text, row, &columns);
    }
    lost(&mut text, report);
    if !report.notes.is_empty() {
        text.push_str("\nNotes:\n\n");
    }
    for note in &report.notes {
        let _ = writeln!(text, "- {note}");
    }
    text
}

/// Three digits that count.
pub fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size < 0.995 => format!("{value:.3}"),
        size if size < 9.995 => format!("{value:.2}"),
        size if size < 99.95 => format!("{value:.1}"),
        size if size < 1_000.0 => format!("{value:.0}"),
        _ => {
            let digits = format!("{:.0}", value.abs());
            let groups: Vec<&str> =
                digits.as_bytes().rchunks(3).rev().filter_map(|group| str::from_utf8(group).ok()).collect();
            format!("{}{}", if value < 0.0 { "-" } else { "" }, groups.join(","))
        }
    }
}

fn line(text: &mut String, row: &Row, columns: &[Column]) {
    let bar = row.bar.map(|bar| format!("{} {}", bound(row), number(bar))).unwrap_or_default();
    let _ = write!(text, "| {} | {} | {bar} |", row.key.workload, describe(row));
    for column in columns {
        let Some(values) = row.values(*column) else {
            text.push_str(" |");
            continue;
        };
        let median = number(row.median(*column).unwrap_or_default());
        let missed = *column == OURS && row.bar.is_some_and(|bar| !reaches(row, bar));
        let median = if missed { format!("**{median}**") } else { median };
        let _ = match spread(values) {
            (least, most) if values.len() > 1 => {
                write!(text, " {median} ({}..{}) |", number(least), number(most))
            }
            _ => write!(text, " {median} |"),
        };
    }
    text.push('\n');
}

fn describe(row: &Row) -> String {
    let figure = row.key.figure;
    let unit = if figure.unit.is_empty() { String::new() } else { format!(", {}", figure.unit) };
    format!("{}: {}{unit}", row.key.case, figure.name)
}

fn bound(row: &Row) -> &'static str {
    if row.key.figure.less_is_better { "<=" } else { ">=" }
}

fn reaches(row: &Row, bar: f64) -> bool {
    row.median(OURS).is_none_or(|median| row.reaches(median, bar))
}

/// Every cell in which this server misses its bar or is behind a peer.
fn lost(text: &mut String, report: &Report) {
    let mut losses = Vec::new();
    for row in &report.rows {
        let Some(ours) = row.median(OURS) else { continue };
        let name = format!("{} {}", row.key.workload, describe(row));
        if let Some(bar) = row.bar.filter(|bar| !row.reaches(ours, *bar)) {
            losses.push(format!("{name}: {}, where the bar is {}", number(ours), number(bar)));
        }
        for kind in [Kind::Distribution, Kind::Nginx] {
            let Some(theirs) = row.median(kind.into()).filter(|theirs| !row.reaches(ours, *theirs)) else {
                continue;
            };
            losses.push(format!("{name}: {}, where {} has {}", number(ours), kind.name(), number(theirs)));
        }
    }
    text.push_str(if losses.is_empty() { "\nNothing is lost.\n" } else { "\nLost:\n\n" });
    losses.iter().for_each(|loss| text.extend(["- ", loss, "\n"]));
}
