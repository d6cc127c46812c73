//! The tables of a FROM clause, and what a name of a column means among them.

use sqlparser::ast::{
    Expr, Ident, Join, JoinConstraint, JoinOperator, ObjectName, TableAlias, TableFactor,
    TableWithJoins,
};

use super::tree::refused;
use crate::catalog::{Catalog, Table};
use crate::failure::Failure;

#[derive(Debug)]
pub(super) struct Scope {
    tables: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    /// What it is called in this statement.
    name: String,
    table: Table,
    /// Which columns a USING or NATURAL has made one with a column of a table before.
    merged: Vec<bool>,
}

/// A name in double quotes.
pub(super) fn ident(name: &str) -> Ident {
    Ident::with_quote('"', name)
}

/// The table that a name stands for, which has one part.
pub(super) fn simple_name(name: &ObjectName) -> Result<&str, Failure> {
    match name.0.as_slice() {
        [part] if part.as_ident().is_some() => Ok(&part.as_ident().expect("just seen").value),
        _ => refused(format!("`{name}`: tables have no prefix here")),
    }
}

impl Scope {
    /// Takes the tables in, and writes each with its alias, so that columns can be named by that.
    ///
    /// Fails unless one of them at most is in shards, and is joined so that a row of the result comes of one of its rows.
    pub(super) fn new(from: &mut [TableWithJoins], catalog: &Catalog) -> Result<Self, Failure> {
        let mut scope = Self { tables: Vec::new() };
        let mut sharded: Option<String> = None;
        for group in from {
            let first = scope.enter(&mut group.relation, catalog, &mut sharded)?;
            scope.tables.push(first);
            for join in &mut group.joins {
                scope.join(join, catalog, &mut sharded)?;
            }
        }
        Ok(scope)
    }

    fn enter(
        &self,
        factor: &mut TableFactor,
        catalog: &Catalog,
        sharded: &mut Option<String>,
    ) -> Result<Entry, Failure> {
        let (name, alias) = match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                index_directives,
                ..
            } if index_directives.is_empty() => (name, alias),
            TableFactor::Derived { .. } => return refused("a subquery in FROM"),
            other => return refused(format!("`{other}` in FROM")),
        };
        let called = simple_name(name)?;
        let Some(table) = catalog.table(called) else {
            return refused(format!("no table {called:?} is in the catalog"));
        };
        if !table.replicated
            && let Some(other) = sharded.replace(table.name.clone())
        {
            return refused(format!(
                "it joins {other:?} and {:?}, whose rows may lie in different shards (load one with --replicate)",
                table.name
            ));
        }
        let shown = alias
            .as_ref()
            .map_or(called, |alias| &alias.name.value)
            .to_owned();
        *name = ObjectName::from(vec![ident(&table.name)]);
        *alias = Some(TableAlias {
            explicit: true,
            name: ident(&shown),
            columns: Vec::new(),
            at: None,
        });
        Ok(Entry {
            name: shown,
            merged: vec![false; table.columns.len()],
            table: table.clone(),
        })
    }

    fn join(
        &mut self,
        join: &mut Join,
        catalog: &Catalog,
        sharded: &mut Option<String>,
    ) -> Result<(), Failure> {
        let before = sharded.clone();
        let mut entry = self.enter(&mut join.relation, catalog, sharded)?;
        let constraint = match &join.join_operator {
            JoinOperator::Join(constraint)
            | JoinOperator::Inner(constraint)
            | JoinOperator::CrossJoin(constraint) => constraint,
            JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => {
                if *sharded != before {
                    return refused(format!(
                        "the right side of LEFT JOIN, {:?}, is in shards: a row without a partner in one may have one in another",
                        entry.name
                    ));
                }
                constraint
            }
            _ => {
                return refused(
                    "RIGHT and FULL JOIN: a row without a partner in one shard may have one in another",
                );
            }
        };
        match constraint {
            JoinConstraint::On(_) | JoinConstraint::None => {}
            JoinConstraint::Using(names) => {
                for name in names {
                    let name = simple_name(name)?;
                    if let Some(column) = entry.table.column(name) {
                        entry.merged[column] = true;
                    }
                }
            }
            JoinConstraint::Natural => {
                for (column, merged) in entry.table.columns.iter().zip(&mut entry.merged) {
                    *merged = self.find(&column.name).is_some();
                }
            }
            JoinConstraint::UsingAlias(..) => return refused("USING with an alias"),
        }
        self.tables.push(entry);
        Ok(())
    }

    /// The column that `name` alone stands for: of columns that USING has made one, the first.
    pub(super) fn find(&self, name: &str) -> Option<Expr> {
        self.tables.iter().find_map(|table| {
            let column = table.table.column(name)?;
            Some(table.reference(column))
        })
    }

    /// The column `name` of the table that is called `table` here.
    pub(super) fn find_in(&self, table: &str, name: &str) -> Option<Expr> {
        let is = |entry: &&Entry| entry.name.eq_ignore_ascii_case(table);
        let entry = self.tables.iter().find(is)?;
        Some(entry.reference(entry.table.column(name)?))
    }

    /// What `*` stands for, or `table.*`.
    pub(super) fn all(&self, table: Option<&str>) -> Vec<Expr> {
        let wanted =
            |entry: &&Entry| table.is_none_or(|table| entry.name.eq_ignore_ascii_case(table));
        let columns = |entry: &Entry| {
            let all = 0..entry.table.columns.len();
            let shown = all.filter(|column| table.is_some() || !entry.merged[*column]);
            shown
                .map(|column| entry.reference(column))
                .collect::<Vec<_>>()
        };
        self.tables
            .iter()
            .filter(wanted)
            .flat_map(columns)
            .collect()
    }

    /// The type of a column, given a reference of ours.
    pub(super) fn kind(&self, reference: &[Ident]) -> Option<&'static str> {
        let [table, column] = reference else {
            return None;
        };
        let entry = self.tables.iter().find(|entry| entry.name == table.value)?;
        let column = entry.table.column(&column.value)?;
        Some(entry.table.columns[column].kind.sql())
    }
}

impl Entry {
    fn reference(&self, column: usize) -> Expr {
        let column = &self.table.columns[column].name;
        Expr::CompoundIdentifier(vec![ident(&self.name), ident(column)])
    }
}
