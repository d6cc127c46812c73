//! Expressions in one form: so that equal ones are equal trees, and text made of a tree means what the tree does.
//!
//! Columns become `"table"."column"`, aliases of the result what they stand for, names of functions small, and exactly the operands that
//! are operators themselves stand in parentheses.

use sqlparser::ast::{Expr, Ident, InTarget, ObjectName, Value, ValueWithSpan};

use super::scope::{Scope, simple_name};
use super::subquery;
use super::tree::{check_binding, children, enclose_operands, refused};
use crate::catalog::Catalog;
use crate::failure::Failure;
use crate::schema::Schema;

/// What names can mean.
#[derive(Clone, Copy, Debug)]
pub(super) struct Canon<'c> {
    pub(super) catalog: &'c Catalog,
    pub(super) schema: &'c Schema,
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
                return subquery::check(subquery, self.catalog, self.schema);
            }
            Expr::In {
                target: InTarget::Subquery(subquery),
                ..
            } => subquery::check(subquery, self.catalog, self.schema)?,
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

pub(super) fn check_literal(value: &ValueWithSpan) -> Result<(), Failure> {
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
