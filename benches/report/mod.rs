//! The figures of one run: rows in the order in which they were first recorded, a cell for each peer.

mod json;
mod table;

use super::peers::Kind;

pub use json::to_json;
pub use table::{number, to_table};

/// What a row is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// As in docs/performance.md#workloads: `W1`.
    pub workload: &'static str,
    pub case: String,
    pub figure: Figure,
}

/// What is measured, in which unit, and which way is better.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    pub name: &'static str,
    pub unit: &'static str,
    pub less_is_better: bool,
}

impl Figure {
    pub const fn less(name: &'static str, unit: &'static str) -> Self {
        Self { name, unit, less_is_better: true }
    }

    pub const fn more(name: &'static str, unit: &'static str) -> Self {
        Self { name, unit, less_is_better: false }
    }

    pub fn of(self, workload: &'static str, case: impl Into<String>) -> Key {
        Key { workload, case: case.into(), figure: self }
    }
}

#[derive(Debug)]
pub struct Row {
    pub key: Key,
    /// What this server has to reach.
    pub bar: Option<f64>,
    pub cells: Vec<(Column, Vec<f64>)>,
}

/// Whose figures these are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Column {
    Peer(Kind),
    /// The same work done by the benchmark itself, without a server.
    Baseline,
}

impl Column {
    pub fn name(self) -> &'static str {
        match self {
            Column::Peer(kind) => kind.name(),
            Column::Baseline => "bare files",
        }
    }
}

impl From<Kind> for Column {
    fn from(kind: Kind) -> Self {
        Column::Peer(kind)
    }
}

#[derive(Debug, Default)]
pub struct Report {
    pub rows: Vec<Row>,
    /// What the reader has to know: what was not measured, and why.
    pub notes: Vec<String>,
}

impl Report {
    pub fn record(&mut self, key: Key, column: impl Into<Column>, value: f64) {
        let column = column.into();
        let cells = &mut self.row(key).cells;
        match cells.iter_mut().find(|(found, _)| *found == column) {
            Some((_, values)) => values.push(value),
            None => cells.push((column, vec![value])),
        }
    }

    /// What this server's median has to reach.
    pub fn bar(&mut self, key: Key, bar: f64) {
        self.row(key).bar = Some(bar);
    }

    pub fn note(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }

    pub fn median(&self, key: &Key, column: impl Into<Column>) -> Option<f64> {
        self.rows.iter().find(|row| row.key == *key)?.median(column.into())
    }

    /// Puts the workloads in the order of their numbers.
    pub fn sort(&mut self) {
        let number = |name: &str| name.trim_start_matches('W').parse().unwrap_or(u32::MAX);
        self.rows.sort_by_key(|row| number(row.key.workload));
    }

    fn row(&mut self, key: Key) -> &mut Row {
        let at = self.rows.iter().position(|row| row.key == key).unwrap_or(self.rows.len());
        if at == self.rows.len() {
            self.rows.push(Row { key, bar: None, cells: Vec::new() });
        }
        &mut self.rows[at]
    }
}

impl Row {
    pub fn values(&self, column: Column) -> Option<&[f64]> {
        self.cells.iter().find(|(found, _)| *found == column).map(|(_, values)| values.as_slice())
    }

    pub fn median(&self, column: Column) -> Option<f64> {
        self.values(column).map(median)
    }

    /// Whether `value` is as good as `bar` or better.
    pub fn reaches(&self, value: f64, bar: f64) -> bool {
        if self.key.figure.less_is_better { value <= bar } else { value >= bar }
    }
}

/// The middle one, or the mean of the two in the middle.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) { (sorted[upper - 1] + sorted[upper]) / 2.0 } else { sorted[upper] }
}

/// The smallest and the largest.
fn spread(values: &[f64]) -> (f64, f64) {
    values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| {
        (least.min(*value), most.max(*value))
    })
}
