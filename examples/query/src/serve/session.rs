//! Reads what one client says.

use std::io::{self, BufRead, Read};
use std::sync::Arc;

use serde_json::json;

use super::client::Client;
use super::desk::{Desk, Job};
use super::line::{self, Line};
use crate::args::Manner;

/// Of a line, in bytes. SQLite takes statements of a million.
const LONGEST: usize = 1 << 20;

pub(super) struct Session {
    manner: Manner,
    desk: Desk,
    client: Arc<Client>,
}

impl Session {
    pub(super) fn new(manner: Manner, desk: Desk, client: Arc<Client>) -> Self {
        Self {
            manner,
            desk,
            client,
        }
    }

    /// Takes statements until the input ends or the client is gone. Returns before they are answered.
    pub(super) fn read(&self, mut input: impl BufRead) {
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            match next(&mut input, &mut line) {
                Ok(Next::Line) => self.hear(&line, number),
                Ok(Next::TooLong) => {
                    let what = format!("the line is longer than {LONGEST} bytes");
                    self.client
                        .say(&line::error(&json!(number), "request", &what));
                }
                Ok(Next::End) => break,
                Err(_) => {
                    self.client.gone();
                    break;
                }
            }
        }
        self.client.close();
    }

    /// Takes nothing.
    pub(super) fn turn_away(&self) {
        let what = "the server ends, or has too many clients";
        self.client
            .say(&line::error(&serde_json::Value::Null, "request", what));
        self.client.close();
    }

    fn hear(&self, text: &[u8], number: u64) {
        match line::read(text, number, self.manner) {
            Ok(Line::Blank) => {}
            Ok(Line::Cancel(meant)) => self.client.cancel(|id| *id == meant),
            Ok(Line::Statement(id, request)) => match self.client.take(&id) {
                Some(stop) => self.desk.put(Job {
                    id,
                    request,
                    stop,
                    client: self.client.clone(),
                }),
                None => self.refuse(&id, "no more statements are taken"),
            },
            Err((id, what)) => self.refuse(&id, &what),
        }
    }

    fn refuse(&self, id: &serde_json::Value, what: &str) {
        self.client.say(&line::error(id, "request", what));
    }
}

enum Next {
    Line,
    /// It was skipped.
    TooLong,
    End,
}

fn next(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Next> {
    let read = input
        .by_ref()
        .take(LONGEST as u64)
        .read_until(b'\n', line)?;
    if read == 0 {
        return Ok(Next::End);
    }
    if line.ends_with(b"\n") || read < LONGEST {
        return Ok(Next::Line);
    }
    loop {
        let rest = input.fill_buf()?;
        let end = rest.iter().position(|byte| *byte == b'\n');
        let skipped = end.map_or(rest.len(), |end| end + 1);
        input.consume(skipped);
        if end.is_some() || skipped == 0 {
            return Ok(Next::TooLong);
        }
    }
}
