//! What stands at the end of a statement: ORDER BY and LIMIT; and the columns of its result, of which they speak.

use sqlparser::ast::{
    Expr, LimitClause, Offset, OrderBy, OrderByExpr, OrderByKind, OrderByOptions, UnaryOperator,
    Value, ValueWithSpan,
};

use super::canon::{Canon, strip};
use super::scope::simple_name;
use super::tree::{has_collation, refused};
use crate::failure::Failure;

/// A column of the result.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) expr: Expr,
    pub(super) alias: Option<String>,
}

#[derive(Debug)]
pub(super) struct Terms {
    unresolved: Vec<OrderByExpr>,
    pub(super) order: Vec<Term>,
    pub(super) limit: Limit,
}

/// One of the things that rows are ordered by.
#[derive(Debug)]
pub(super) struct Term {
    pub(super) key: Key,
    /// As asked for here; else that of the column.
    pub(super) collation: Option<String>,
    /// ASC, DESC, NULLS FIRST, NULLS LAST.
    options: OrderByOptions,
}

#[derive(Debug)]
pub(super) enum Key {
    /// A column of the result, from 0.
    Output(usize),
    /// Something else.
    Expr(Box<Expr>),
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Limit {
    pub(super) limit: Option<u64>,
    pub(super) offset: u64,
}

impl Limit {
    /// How many rows of a shard can be in the answer, if that is limited.
    pub(super) fn of_a_shard(self) -> Option<u64> {
        let most = self.limit?.checked_add(self.offset)?;
        i64::try_from(most).is_ok().then_some(most)
    }
}

impl Terms {
    pub(super) fn new(order: Option<OrderBy>, limit: Option<LimitClause>) -> Result<Self, Failure> {
        let unresolved = match order {
            None => Vec::new(),
            Some(OrderBy {
                kind: OrderByKind::Expressions(terms),
                interpolate: None,
            }) => terms,
            Some(other) => return refused(format!("`{other}`")),
        };
        let limit = match limit {
            None => Limit::default(),
            Some(LimitClause::LimitOffset {
                limit,
                offset,
                limit_by,
            }) if limit_by.is_empty() => {
                let offset = offset.map(|Offset { value, .. }| value);
                read_limit(limit, offset)?
            }
            Some(LimitClause::OffsetCommaLimit { offset, limit }) => {
                read_limit(Some(limit), Some(offset))?
            }
            Some(other) => return refused(format!("`{other}`")),
        };
        Ok(Self {
            unresolved,
            order: Vec::new(),
            limit,
        })
    }

    /// Finds out what the terms of ORDER BY mean. As SQLite: the number of a column of the result, then an alias, then an
    /// expression; which may be a column of the result all the same.
    pub(super) fn resolve(&mut self, outputs: &[Output], canon: &Canon<'_>) -> Result<(), Failure> {
        for OrderByExpr { expr, options, .. } in std::mem::take(&mut self.unresolved) {
            let mut expr = expr;
            let mut collation = None;
            strip(&mut expr);
            while let Expr::Collate {
                expr: inner,
                collation: name,
            } = expr
            {
                // The outermost counts.
                collation.get_or_insert(simple_name(&name)?.to_owned());
                expr = *inner;
                strip(&mut expr);
            }
            let by_alias = |name: &str| {
                let is = |output: &Output| {
                    let alias = output.alias.as_deref();
                    alias.is_some_and(|alias| alias.eq_ignore_ascii_case(name))
                };
                outputs.iter().position(is)
            };
            let place = match &expr {
                Expr::Identifier(name) => by_alias(&name.value),
                _ => ordinal(&expr).map(|place| place - 1),
            };
            let key = match place {
                Some(place) => Key::Output(place),
                None => {
                    canon.canonical(&mut expr)?;
                    let same = outputs.iter().position(|output| output.expr == expr);
                    same.map_or_else(|| Key::Expr(Box::new(expr)), Key::Output)
                }
            };
            self.order.push(Term {
                key,
                collation,
                options,
            });
        }
        Ok(())
    }

    /// The expressions of ORDER BY that are no columns of the result.
    pub(super) fn exprs(&self) -> impl Iterator<Item = &Expr> {
        self.order.iter().filter_map(|term| match &term.key {
            Key::Expr(expr) => Some(&**expr),
            Key::Output(_) => None,
        })
    }
}

impl Term {
    /// The collation that it is sorted by, if it is not the usual one.
    pub(super) fn collation(&self, outputs: &[Output]) -> Result<Option<String>, Failure> {
        if self.collation.is_some() {
            return Ok(self.collation.clone());
        }
        let expr = match &self.key {
            Key::Output(place) => &outputs[*place].expr,
            Key::Expr(expr) => expr,
        };
        match expr {
            Expr::Collate { expr, collation } if !has_collation(expr)? => {
                Ok(Some(simple_name(collation)?.to_owned()))
            }
            other if has_collation(other)? => {
                refused(format!("COLLATE inside of `{other}`, which is sorted by"))
            }
            _ => Ok(None),
        }
    }

    /// As text, with `key` for what is sorted by.
    pub(super) fn text(&self, key: &str, collation: Option<&str>) -> String {
        let collate = collation.map_or_else(String::new, |name| {
            format!(" COLLATE {}", crate::quote::name(name))
        });
        format!("{key}{collate}{}", self.options)
    }
}

/// The place that a number in GROUP BY or ORDER BY stands for, from 1. SQLite has seen that there is such a column.
pub(super) fn ordinal(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Value(ValueWithSpan {
            value: Value::Number(digits, _),
            ..
        }) => digits.replace('_', "").parse().ok(),
        _ => None,
    }
}

fn read_limit(limit: Option<Expr>, offset: Option<Expr>) -> Result<Limit, Failure> {
    // A negative limit is none; a negative offset is zero.
    let limit = limit.map(|limit| number(&limit)).transpose()?;
    let offset = offset.map(|offset| number(&offset)).transpose()?;
    Ok(Limit {
        limit: limit.and_then(|limit| u64::try_from(limit).ok()),
        offset: offset.map_or(0, |offset| u64::try_from(offset).unwrap_or(0)),
    })
}

fn number(expr: &Expr) -> Result<i64, Failure> {
    let text = match expr {
        Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr,
        } => ordinal(expr).map(|number| format!("-{number}")),
        other => ordinal(other).map(|number| number.to_string()),
    };
    let number = text.and_then(|text| text.parse().ok());
    number.map_or_else(|| refused("LIMIT and OFFSET that are no plain numbers"), Ok)
}
