//! The lines that go back and forth: statements in, answers out.

use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::args::Manner;
use crate::database::Request;
use crate::failure::Failure;
use crate::print;

/// What a client says.
#[derive(Debug)]
pub(super) enum Line {
    Statement(Value, Request),
    Cancel(Value),
    /// Nothing, and no answer is expected.
    Blank,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Object {
    id: Option<Value>,
    sql: Option<String>,
    /// In seconds.
    deadline: Option<f64>,
    partial: Option<bool>,
    cancel: Option<Value>,
}

/// Reads line `number`. What is wrong with it comes with the id of the answer.
pub(super) fn read(text: &[u8], number: u64, manner: Manner) -> Result<Line, (Value, String)> {
    let own = json!(number);
    let Ok(text) = std::str::from_utf8(text) else {
        return Err((own, "the line is not UTF-8".to_owned()));
    };
    let text = text.trim();
    if text.is_empty() {
        return Ok(Line::Blank);
    }
    if !text.starts_with('{') {
        let request = request(text.to_owned(), manner);
        return Ok(Line::Statement(own, request));
    }
    let object: Object = match serde_json::from_str(text) {
        Ok(object) => object,
        Err(error) => return Err((own, format!("not a request: {error}"))),
    };
    let id = object.id.unwrap_or(own);
    match (object.sql, object.cancel) {
        (Some(sql), None) => {
            let deadline = match object.deadline {
                None => manner.deadline,
                // More than the longest there is means no limit.
                Some(seconds) if seconds > 0.0 => {
                    Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
                }
                Some(_) => {
                    return Err((id, "`deadline` is no positive number of seconds".to_owned()));
                }
            };
            let manner = Manner {
                partial: object.partial.unwrap_or(manner.partial),
                deadline,
                ..manner
            };
            Ok(Line::Statement(id, request(sql, manner)))
        }
        (None, Some(meant)) => Ok(Line::Cancel(meant)),
        _ => Err((id, "a request has either `sql` or `cancel`".to_owned())),
    }
}

/// Its time begins now, and so includes that in the queue.
fn request(sql: String, manner: Manner) -> Request {
    let deadline = manner.deadline;
    Request {
        sql,
        partial: manner.partial,
        deadline: deadline.and_then(|time| Instant::now().checked_add(time)),
        most_rows: manner.max_rows,
    }
}

pub(super) fn answer(id: &Value, answer: &Result<Answer, Failure>) -> Value {
    match answer {
        Ok(answer) => {
            let mut line = print::json(answer);
            line["id"] = id.clone();
            line
        }
        Err(failure) => {
            let mut line = error(id, failure.kind(), &failure.to_string());
            if let Failure::Shards(missing) = failure {
                line["missing"] = print::missing(missing);
            }
            line
        }
    }
}

pub(super) fn error(id: &Value, kind: &str, message: &str) -> Value {
    json!({ "id": id, "error": { "kind": kind, "message": message } })
}
