//! Subqueries, which run in each shard as they are written, and so must give the same there as anywhere.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, ObjectName, Query, TableFactor, UnaryOperator, Visit, Visitor, visit_expressions,
};

use super::canon::check_literal;
use super::parts::is_aggregate;
use super::scope::simple_name;
use super::tree::refused;
use crate::catalog::{Catalog, Table};
use crate::failure::Failure;
use crate::schema::Schema;

/// Fails unless the subquery reads replicated tables alone, and aggregates no rows but its own.
pub(super) fn check(query: &Query, catalog: &Catalog, schema: &Schema) -> Result<(), Failure> {
    let mut inside = Inside::of(query);
    if let Some(why) = inside.problem.take() {
        return refused(format!("inside of a subquery, {why}"));
    }
    let mut tables = Vec::new();
    for name in &inside.relations {
        if inside.is_own(name, catalog)? {
            continue;
        }
        let Some(table) = catalog.table(simple_name(name)?) else {
            return refused(format!("no table {name} is in the catalog"));
        };
        if !table.replicated {
            return refused(format!(
                "a subquery reads {:?}, of which each shard has a part (load it with --replicate)",
                table.name
            ));
        }
        tables.push(table);
    }
    for call in inside
        .calls
        .iter()
        .filter(|call| is_aggregate(call, schema))
    {
        if inside.may_be_of_outer(call, &tables) {
            return refused(format!(
                "inside of a subquery, `{call}` may aggregate rows that are not the subquery's"
            ));
        }
    }
    Ok(())
}

/// What is found in a query, however deep.
#[derive(Debug, Default)]
pub(super) struct Inside {
    /// The tables and common table expressions that are read.
    pub(super) relations: Vec<ObjectName>,
    /// What these are called.
    called: Vec<String>,
    /// The names of the common table expressions.
    own: Vec<String>,
    /// All calls of functions.
    calls: Vec<Expr>,
    /// What does not come out as it went in.
    problem: Option<String>,
}

impl Inside {
    pub(super) fn of(query: &Query) -> Self {
        let mut inside = Self::default();
        let _ = query.visit(&mut inside);
        inside
    }

    /// Whether a name is that of a common table expression.
    pub(super) fn is_own(&self, name: &ObjectName, catalog: &Catalog) -> Result<bool, Failure> {
        let name = simple_name(name)?;
        let is_own = contains(&self.own, name);
        if is_own && catalog.table(name).is_some() {
            return refused(format!("WITH gives a name that is a table's, {name:?}"));
        }
        Ok(is_own)
    }

    /// Whether a call names a column that may not be one of the subquery's own: then SQLite may take it for an aggregate of the statement
    /// around it.
    fn may_be_of_outer(&self, call: &Expr, tables: &[&Table]) -> bool {
        let look = |part: &Expr| {
            let is_known = match part {
                Expr::Identifier(name) => tables
                    .iter()
                    .any(|table| table.column(&name.value).is_some()),
                Expr::CompoundIdentifier(parts) => contains(&self.called, &parts[0].value),
                _ => true,
            };
            if is_known {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        };
        visit_expressions(call, look).is_break()
    }
}

fn contains(names: &[String], name: &str) -> bool {
    names.iter().any(|other| other.eq_ignore_ascii_case(name))
}

impl Visitor for Inside {
    type Break = ();

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        self.relations.push(relation.clone());
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        let called = match factor {
            TableFactor::Table {
                alias: Some(alias), ..
            }
            | TableFactor::Derived {
                alias: Some(alias), ..
            } => Some(alias.name.value.clone()),
            TableFactor::Table { name, .. } => simple_name(name).ok().map(str::to_owned),
            _ => None,
        };
        self.called.extend(called);
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let expressions = query.with.iter().flat_map(|with| &with.cte_tables);
        self.own
            .extend(expressions.map(|cte| cte.alias.name.value.clone()));
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        let problem = match expr {
            // Written out, two signs are the beginning of a comment.
            Expr::UnaryOp {
                op: UnaryOperator::Minus,
                expr: inner,
            } if matches!(**inner, Expr::UnaryOp { .. }) => Some("two signs in a row".to_owned()),
            Expr::Value(value) => match check_literal(value) {
                Err(Failure::Refused(why)) => Some(why),
                _ => None,
            },
            Expr::Function(_) => {
                self.calls.push(expr.clone());
                None
            }
            _ => None,
        };
        if problem.is_some() {
            self.problem = problem;
        }
        ControlFlow::Continue(())
    }
}
