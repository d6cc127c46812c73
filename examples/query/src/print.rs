//! Answers as text: a table for people, CSV and JSON for programs.

use std::io::{self, Write};

use rusqlite::types::Value;
use serde_json::json;

use crate::answer::Answer;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Table,
    Csv,
    Json,
}

pub(crate) fn print(answer: &Answer, form: Form, out: &mut impl Write) -> io::Result<()> {
    match form {
        Form::Table => table(answer, out),
        Form::Csv => csv(answer, out),
        Form::Json => writeln!(out, "{}", json(answer)),
    }
}

/// An object with the names of the columns, the rows as arrays, and, where shards are missing, which.
pub(crate) fn json(answer: &Answer) -> serde_json::Value {
    let row = |row: &[Value]| row.iter().map(json_value).collect::<serde_json::Value>();
    let rows: serde_json::Value = answer.rows.iter().map(row).collect();
    let mut object = json!({ "columns": answer.columns, "rows": rows });
    if !answer.missing.is_empty() {
        object["missing"] = missing(&answer.missing);
    }
    object
}

pub(crate) fn missing(missing: &[crate::answer::Missing]) -> serde_json::Value {
    let one = |missing: &crate::answer::Missing| {
        let file = missing.file.to_string_lossy();
        json!({ "shard": missing.shard, "file": file, "reason": missing.reason })
    };
    missing.iter().map(one).collect()
}

fn json_value(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Integer(number) => json!(number),
        Value::Real(number) if number.is_finite() => json!(number),
        // JSON has no word for infinity.
        other => json!(text(other)),
    }
}

/// As SQLite's own shell prints them; blobs in hexadecimal.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) if number.is_infinite() => {
            let sign = if *number < 0.0 { "-" } else { "" };
            format!("{sign}Inf")
        }
        // With a point, so that it is not taken for an integer.
        Value::Real(number) => format!("{number:?}"),
        Value::Text(text) => text.clone(),
        Value::Blob(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

/// NULL is an empty field.
fn csv(answer: &Answer, out: &mut impl Write) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    let rows = answer.rows.iter().map(|row| row.iter().map(text).collect());
    for record in std::iter::once(answer.columns.clone()).chain(rows) {
        writer
            .write_record(&record)
            .map_err(|error| match error.into_kind() {
                csv::ErrorKind::Io(error) => error,
                other => io::Error::other(format!("{other:?}")),
            })?;
    }
    writer.flush()
}

/// Columns as wide as their widest value, numbers to the right, and how many rows at the end.
fn table(answer: &Answer, out: &mut impl Write) -> io::Result<()> {
    let shown = |value: &Value| match value {
        Value::Null => "NULL".to_owned(),
        other => one_line(&text(other)),
    };
    let rows: Vec<Vec<String>> = answer
        .rows
        .iter()
        .map(|row| row.iter().map(shown).collect())
        .collect();
    let names: Vec<String> = answer.columns.iter().map(|name| one_line(name)).collect();
    let mut widths: Vec<usize> = names.iter().map(|name| name.chars().count()).collect();
    let mut are_numbers = vec![true; names.len()];
    for (row, values) in rows.iter().zip(answer.rows.iter()) {
        for (column, (text, value)) in row.iter().zip(values).enumerate() {
            widths[column] = widths[column].max(text.chars().count());
            are_numbers[column] &= !matches!(value, Value::Text(_) | Value::Blob(_));
        }
    }
    let mut line = |cells: &[String]| {
        let mut line = String::new();
        for (column, cell) in cells.iter().enumerate() {
            let width = widths[column];
            let gap = if column == 0 { "" } else { "  " };
            if are_numbers[column] {
                line += &format!("{gap}{cell:>width$}");
            } else {
                line += &format!("{gap}{cell:<width$}");
            }
        }
        writeln!(out, "{}", line.trim_end())
    };
    line(&names)?;
    let rules: Vec<_> = widths.iter().map(|width| "-".repeat(*width)).collect();
    line(&rules)?;
    for row in &rows {
        line(row)?;
    }
    let count = rows.len();
    writeln!(out, "({count} {})", if count == 1 { "row" } else { "rows" })
}

fn one_line(text: &str) -> String {
    let escape = |letter: char| {
        if letter.is_control() {
            letter.escape_default().to_string()
        } else {
            letter.to_string()
        }
    };
    text.chars().map(escape).collect()
}
