//! Expressions in one form: so that equal ones are equal trees, and text made of a tree means what the tree does.
//!
//! Columns become `"table"."column"`, aliases of the result what they stand for, names of functions small, and exactly the operands that
//! are operators themselves stand in parentheses.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Ident, InTarget, ObjectName, Query, UnaryOperator, Value, ValueWithSpan, Visit, Visitor,
};

use super::scope::{Scope, simple_name};
use super::tree::{check_binding, children, enclose_operands, refused};
use crate::catalog::Catalog;
use crate::failure::Failure;

/// What names can mean.
#[derive(Clone, Copy, Debug)]
pub(super) struct Canon<'c> {
    pub(super) catalog: &'c Catalog,
    pub(super) scope: &'c Scope,
    /// Of the result, with what they stand for, in this form.
    pub(super) aliases: &'c [(String, Expr)],
}

impl Canon<'_> {
    pub(super) fn canonical(&self, expr: &mut Expr) -> Result<(), Failure> {
        strip(expr);
        check_binding(expr)?;
        match expr {
            Expr::Identifier(name) => {
                *expr = self.column(name)?;
                return Ok(());
            }
            Expr::CompoundIdentifier(parts) => {
                *expr = self.qualified(parts)?;
                return Ok(());
            }
            Expr::Value(value) => return check_literal(value),
            Expr::Exists { subquery, .. } | Expr::Subquery(subquery) => {
                return self.check_subquery(subquery);
            }
            Expr::In {
                target: InTarget::Subquery(subquery),
                ..
            } => self.check_subquery(subquery)?,
            Expr::Function(function) => {
                let name = simple_name(&function.name)?.to_ascii_lowercase();
                function.name = ObjectName::from(vec![Ident::new(name)]);
            }
            _ => {}
        }
        for child in children(expr)? {
            self.canonical(child)?;
        }
        enclose_operands(expr)
    }

    /// As SQLite: a column before an alias.
    fn column(&self, name: &Ident) -> Result<Expr, Failure> {
        let name = &name.value;
        self.scope
            .find(name)
            .or_else(|| self.alias(name))
            .map_or_else(|| unknown(name), Ok)
    }

    pub(super) fn alias(&self, name: &str) -> Option<Expr> {
        let is = |(alias, _): &&(String, Expr)| alias.eq_ignore_ascii_case(name);
        self.aliases.iter().find(is).map(|(_, expr)| expr.clone())
    }

    fn qualified(&self, parts: &[Ident]) -> Result<Expr, Failure> {
        match parts {
            [table, column] => {
                let found = self.scope.find_in(&table.value, &column.value);
                found.map_or_else(|| unknown(&column.value), Ok)
            }
            _ => refused("names of columns with more than one prefix"),
        }
    }

    /// A subquery runs in each shard, so it must give the same there.
    fn check_subquery(&self, query: &Query) -> Result<(), Failure> {
        let mut tables = Tables::default();
        let _ = query.visit(&mut tables);
        if let Some(why) = tables.problem {
            return refused(format!("inside of a subquery, {why}"));
        }
        for name in &tables.names {
            if tables.is_own(name, self.catalog)? {
                continue;
            }
            let table = self.catalog.table(simple_name(name)?);
            let Some(table) = table else {
                return refused(format!("no table {name} is in the catalog"));
            };
            if !table.replicated {
                return refused(format!(
                    "a subquery reads {:?}, of which each shard has a part (load it with --replicate)",
                    table.name
                ));
            }
        }
        Ok(())
    }
}

fn unknown(name: &str) -> Result<Expr, Failure> {
    if ["rowid", "_rowid_", "oid"].contains(&&*name.to_ascii_lowercase()) {
        return refused(format!("{name}: each shard numbers its own rows"));
    }
    refused(format!("it is not clear which column `{name}` is"))
}

/// Takes the parentheses around an expression away.
pub(super) fn strip(expr: &mut Expr) {
    while let Expr::Nested(inner) = expr {
        *expr = std::mem::replace(&mut **inner, Expr::Tuple(Vec::new()));
    }
}

fn check_literal(value: &ValueWithSpan) -> Result<(), Failure> {
    match &value.value {
        Value::Number(..) | Value::SingleQuotedString(_) | Value::Boolean(_) | Value::Null => {
            Ok(())
        }
        Value::Placeholder(_) => refused("parameters, which nobody gives"),
        // `0x10`, a number for SQLite, looks the same as `x'10'`, a blob, once it was read.
        Value::HexStringLiteral(_) => refused("blobs and hexadecimal numbers"),
        other => refused(format!("the literal {other}")),
    }
}

/// The tables of a query, its common table expressions included, and what in it does not come out as it went in.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) names: Vec<ObjectName>,
    own: Vec<String>,
    problem: Option<String>,
}

impl Tables {
    /// Whether a name is that of a common table expression.
    pub(super) fn is_own(&self, name: &ObjectName, catalog: &Catalog) -> Result<bool, Failure> {
        let name = simple_name(name)?;
        let is_own = self.own.iter().any(|own| own.eq_ignore_ascii_case(name));
        if is_own && catalog.table(name).is_some() {
            return refused(format!("WITH gives a name that is a table's, {name:?}"));
        }
        Ok(is_own)
    }
}

impl Visitor for Tables {
    type Break = ();

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        self.names.push(relation.clone());
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
            _ => None,
        };
        if problem.is_some() {
            self.problem = problem;
        }
        ControlFlow::Continue(())
    }
}
