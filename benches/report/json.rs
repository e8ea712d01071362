//! The report as JSON, with every single value.

use serde_json::{Map, Value, json};

use super::{Column, Report, Row, median, spread};

/// `about` describes the run: date, commit, machine.
pub fn to_json(report: &Report, about: &[(String, String)]) -> Value {
    let about: Map<String, Value> =
        about.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    let rows: Vec<Value> = report.rows.iter().filter(|row| !row.cells.is_empty()).map(row).collect();
    json!({"about": about, "rows": rows, "notes": report.notes})
}

fn row(row: &Row) -> Value {
    let figure = row.key.figure;
    json!({
        "workload": row.key.workload,
        "case": row.key.case,
        "figure": figure.name,
        "unit": figure.unit,
        "better": if figure.less_is_better { "less" } else { "more" },
        "bar": row.bar,
        "cells": row.cells.iter().map(cell).collect::<Map<_, _>>(),
    })
}

fn cell((column, values): &(Column, Vec<f64>)) -> (String, Value) {
    let (least, most) = spread(values);
    let cell = json!({"median": median(values), "min": least, "max": most, "values": values});
    (column.name().to_owned(), cell)
}
