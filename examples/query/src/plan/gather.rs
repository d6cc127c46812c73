//! Statements whose rows are rows of the shards: they are gathered, and at most sorted, cut, or rid of those that come twice.

use sqlparser::ast::Expr;

use super::parts::Merging;
use super::terms::{Key, Limit};
use super::tree::{has_collation, refused};
use super::{Finish, PART, Question, Route, limit_text};
use crate::failure::Failure;
use crate::quote;

pub(super) fn split(question: Question<'_>) -> Result<Route, Failure> {
    if question.is_distinct {
        return distinct(question);
    }
    let Question {
        outputs,
        rest,
        terms,
        ..
    } = question;
    let mut items: Vec<_> = outputs
        .iter()
        .map(|output| output.expr.to_string())
        .collect();
    // Each in its own shard, then all of them: by the numbers of the columns there, by their names here.
    let (mut inner, mut outer) = (Vec::new(), Vec::new());
    for term in &terms.order {
        let collation = term.collation(&outputs)?;
        let place = match &term.key {
            Key::Output(place) => *place,
            Key::Expr(expr) => {
                items.push(expr.to_string());
                items.len() - 1
            }
        };
        inner.push(term.text(&(place + 1).to_string(), collation.as_deref()));
        outer.push(term.text(&column(place), collation.as_deref()));
    }
    let mut sql = format!("SELECT {}{rest}", items.join(", "));
    let Limit { limit, offset } = terms.limit;
    if let Some(most) = terms.limit.of_a_shard() {
        if !inner.is_empty() {
            sql += &format!(" ORDER BY {}", inner.join(", "));
        }
        sql += &format!(" LIMIT {most}");
    }
    if outer.is_empty() {
        let finish = Finish::Chain { limit, offset };
        return Ok(Route::Each { sql, finish });
    }
    let columns: Vec<_> = (0..items.len()).map(column).collect();
    let finish = Finish::Merge {
        create: format!("CREATE TABLE {PART} ({})", columns.join(", ")),
        sql: format!(
            "SELECT {} FROM {PART} ORDER BY {}{}",
            columns[..outputs.len()].join(", "),
            outer.join(", "),
            limit_text(terms.limit)
        ),
    };
    Ok(Route::Each { sql, finish })
}

fn column(place: usize) -> String {
    quote::name(&format!("#c{place}"))
}

/// Each shard's rows are distinct; what is left of all of them, too, is the answer. It can be sorted by what is made of its own columns.
fn distinct(question: Question<'_>) -> Result<Route, Failure> {
    let Question {
        scope,
        schema,
        outputs,
        rest,
        terms,
        ..
    } = question;
    for output in &outputs {
        if has_collation(&output.expr)? {
            return refused(
                "DISTINCT with COLLATE: which of two equal values is shown would depend on the shards",
            );
        }
    }
    let keys: Vec<Expr> = outputs.iter().map(|output| output.expr.clone()).collect();
    let items: Vec<_> = keys.iter().map(ToString::to_string).collect();
    let mut merging = Merging::new(keys, scope, schema);
    let (mut inner, mut outer) = (Vec::new(), Vec::new());
    for term in &terms.order {
        let collation = term.collation(&outputs)?;
        let collation = collation.as_deref();
        match &term.key {
            Key::Output(place) => {
                let place = (place + 1).to_string();
                inner.push(term.text(&place, collation));
                outer.push(term.text(&place, collation));
            }
            Key::Expr(expr) => {
                inner.push(term.text(&format!("({expr})"), collation));
                let mut merged = expr.clone();
                merging.substitute(&mut merged).map_err(|_| {
                    Failure::Refused(format!(
                        "ORDER BY `{expr}` beside DISTINCT, which is not made of its columns"
                    ))
                })?;
                outer.push(term.text(&format!("({merged})"), collation));
            }
        }
    }
    let by = |terms: &[String]| {
        if terms.is_empty() {
            return String::new();
        }
        format!(" ORDER BY {}", terms.join(", "))
    };
    let mut sql = format!("SELECT DISTINCT {}{rest}", items.join(", "));
    if let Some(most) = terms.limit.of_a_shard() {
        sql += &format!("{} LIMIT {most}", by(&inner));
    }
    let shown: Vec<_> = (0..items.len())
        .map(|key| merging.key(key).to_string())
        .collect();
    let finish = Finish::Merge {
        create: merging.create(),
        sql: format!(
            "SELECT DISTINCT {} FROM {PART}{}{}",
            shown.join(", "),
            by(&outer),
            limit_text(terms.limit)
        ),
    };
    Ok(Route::Each { sql, finish })
}
