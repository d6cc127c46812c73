//! From a statement to a plan: what each shard is asked, and how their rows become the answer.
//!
//! ```text
//! text ─ SQLite checks it against empty tables ─ sqlparser makes a tree of it ─┬─ no table in shards ──▶ any shard answers it, as it is
//!                                                                              └─ canon ─ gather or parts ─▶ one statement a shard
//!                                                                                                            + one over their rows
//! ```
//!
//! The rows of the shards are put into a table `part` in memory, and the last statement runs over that. So the order of NULLs, collation,
//! arithmetic and types are SQLite's own. What cannot be done so is [refused](Failure::Refused), with the reason: an
//! answer is either that of one database with all rows, or none. (Sums of floating-point numbers are added in another order.)

mod canon;
mod gather;
mod parts;
mod scope;
mod subquery;
mod terms;
mod tree;

use sqlparser::ast::{
    Expr, GroupByExpr, JoinConstraint, JoinOperator, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, Statement, TableWithJoins,
};
use sqlparser::dialect::SQLiteDialect;
use sqlparser::parser::Parser;

use crate::catalog::Catalog;
use crate::failure::Failure;
use crate::schema::Schema;
use canon::{Canon, strip};
use scope::{Scope, simple_name};
use subquery::Inside;
use terms::{Limit, Output, Terms};
use tree::refused;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Their names, as SQLite has them.
    pub(crate) columns: Vec<String>,
    pub(crate) route: Route,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Every shard would give the same answer: the first that does is enough.
    Any { sql: String },
    /// Every shard is asked `sql`.
    Each { sql: String, finish: Finish },
}

/// What becomes of the rows of the shards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    /// They follow one another; the first `offset` are skipped.
    Chain { limit: Option<u64>, offset: u64 },
    /// They fill the table that `create` makes; `sql` is the answer.
    Merge { create: String, sql: String },
}

/// The table of the rows of all shards.
const PART: &str = "part";

pub(crate) fn plan(sql: &str, catalog: &Catalog, schema: &Schema) -> Result<Plan, Failure> {
    let columns = schema.columns(sql)?;
    let query = parse(sql)?;
    let route = if is_replicated(&query, catalog)? {
        Route::Any {
            sql: sql.to_owned(),
        }
    } else {
        split(query, columns.len(), catalog, schema)?
    };
    if let Route::Each { sql, .. } = &route {
        // What the shards do not understand is not their fault.
        schema.columns(sql).map_err(|failure| {
            Failure::Refused(format!("the planner cannot put it to shards: {failure}"))
        })?;
    }
    Ok(Plan { columns, route })
}

fn parse(sql: &str) -> Result<Query, Failure> {
    let parser = Parser::new(&SQLiteDialect {}).try_with_sql(sql);
    let statements = parser.and_then(|mut parser| parser.parse_statements());
    // SQLite has taken it, so it is the planner that does not know it.
    let mut statements = statements.map_err(|error| {
        Failure::Refused(format!("the planner does not understand it: {error}"))
    })?;
    match (statements.pop(), statements.len()) {
        (Some(Statement::Query(query)), 0) => Ok(*query),
        (None, _) => Err(Failure::Statement("there is no statement".to_owned())),
        _ => refused("only one SELECT at a time"),
    }
}

/// Whether all tables of a statement are in every shard.
fn is_replicated(query: &Query, catalog: &Catalog) -> Result<bool, Failure> {
    let inside = Inside::of(query);
    let mut all = true;
    for name in &inside.relations {
        if inside.is_own(name, catalog)? {
            continue;
        }
        let called = simple_name(name)?;
        match catalog.table(called) {
            None => return refused(format!("no table {called:?} is in the catalog")),
            Some(table) => all &= table.replicated,
        }
    }
    Ok(all)
}

/// The one SELECT that a statement over shards has to be.
fn only_select(query: Query) -> Result<(Select, Terms), Failure> {
    if query.with.is_some() {
        return refused("WITH over a table that is in shards");
    }
    let terms = Terms::new(query.order_by, query.limit_clause)?;
    let is_plain = query.fetch.is_none() && query.locks.is_empty();
    match *query.body {
        SetExpr::Select(select) if is_plain && select.named_window.is_empty() => {
            Ok((*select, terms))
        }
        SetExpr::Select(_) => refused("FETCH, FOR or WINDOW"),
        SetExpr::SetOperation { op, .. } => refused(format!("{op} over a table that is in shards")),
        _ => refused("it is no plain SELECT"),
    }
}

fn split(
    query: Query,
    columns: usize,
    catalog: &Catalog,
    schema: &Schema,
) -> Result<Route, Failure> {
    let (mut select, mut terms) = only_select(query)?;
    let scope = Scope::new(&mut select.from, catalog)?;
    let aliases = Vec::new();
    let mut canon = Canon {
        catalog,
        schema,
        scope: &scope,
        aliases: &aliases,
    };
    let outputs = outputs(std::mem::take(&mut select.projection), &canon)?;
    if outputs.len() != columns {
        return refused("`*` stands for other columns than the planner thinks");
    }
    let aliases: Vec<_> = outputs
        .iter()
        .filter_map(|output| Some((output.alias.clone()?, output.expr.clone())))
        .collect();
    canon.aliases = &aliases;
    for on in select.from.iter_mut().flat_map(constraints) {
        canon.canonical(on)?;
    }
    for condition in [&mut select.selection, &mut select.having]
        .into_iter()
        .flatten()
    {
        canon.canonical(condition)?;
    }
    let GroupByExpr::Expressions(mut groups, _) = select.group_by else {
        return refused("GROUP BY ALL");
    };
    for group in &mut groups {
        strip(group);
        match terms::ordinal(group) {
            Some(place) => group.clone_from(&outputs[place - 1].expr),
            None => canon.canonical(group)?,
        }
    }
    terms.resolve(&outputs, &canon)?;
    let from: Vec<_> = select.from.iter().map(ToString::to_string).collect();
    let mut rest = format!(" FROM {}", from.join(", "));
    if let Some(condition) = &select.selection {
        rest += &format!(" WHERE {condition}");
    }
    let question = Question {
        scope: &scope,
        schema,
        outputs,
        is_distinct: matches!(select.distinct, Some(sqlparser::ast::Distinct::Distinct)),
        rest,
        groups,
        having: select.having,
        terms,
    };
    if question.aggregates()? {
        parts::split(question)
    } else {
        gather::split(question)
    }
}

/// A SELECT in canonical form.
struct Question<'q> {
    scope: &'q Scope,
    schema: &'q Schema,
    outputs: Vec<Output>,
    is_distinct: bool,
    /// FROM and WHERE.
    rest: String,
    groups: Vec<Expr>,
    having: Option<Expr>,
    terms: Terms,
}

impl Question<'_> {
    /// Whether a row of the answer is made of many rows.
    fn aggregates(&self) -> Result<bool, Failure> {
        if !self.groups.is_empty() || self.having.is_some() {
            return Ok(true);
        }
        let outputs = self.outputs.iter().map(|output| &output.expr);
        for expr in outputs.chain(self.terms.exprs()) {
            if tree::any(expr, &mut |part| parts::is_aggregate(part, self.schema))? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn outputs(projection: Vec<SelectItem>, canon: &Canon<'_>) -> Result<Vec<Output>, Failure> {
    let mut outputs = Vec::new();
    let unnamed = |expr| Output { expr, alias: None };
    for item in projection {
        match item {
            SelectItem::Wildcard(_) => {
                outputs.extend(canon.scope.all(None).into_iter().map(unnamed))
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                let columns = canon.scope.all(Some(simple_name(&name)?));
                outputs.extend(columns.into_iter().map(unnamed));
            }
            SelectItem::UnnamedExpr(expr) => outputs.push(unnamed(expr)),
            SelectItem::ExprWithAlias { expr, alias } => outputs.push(Output {
                expr,
                alias: Some(alias.value),
            }),
            other => return refused(format!("`{other}` in the result")),
        }
    }
    for output in &mut outputs {
        canon.canonical(&mut output.expr)?;
    }
    Ok(outputs)
}

/// The conditions after ON.
fn constraints(tables: &mut TableWithJoins) -> impl Iterator<Item = &mut Expr> {
    tables
        .joins
        .iter_mut()
        .filter_map(|join| match &mut join.join_operator {
            JoinOperator::Join(JoinConstraint::On(on))
            | JoinOperator::Inner(JoinConstraint::On(on))
            | JoinOperator::CrossJoin(JoinConstraint::On(on))
            | JoinOperator::Left(JoinConstraint::On(on))
            | JoinOperator::LeftOuter(JoinConstraint::On(on)) => Some(on),
            _ => None,
        })
}

fn limit_text(limit: Limit) -> String {
    let Limit { limit, offset } = limit;
    match (limit, offset) {
        (None, 0) => String::new(),
        (Some(limit), 0) => format!(" LIMIT {limit}"),
        // SQLite has no OFFSET alone; -1 is no limit.
        (limit, offset) => {
            let limit = limit.map_or(-1, |limit| limit.cast_signed());
            format!(" LIMIT {limit} OFFSET {offset}")
        }
    }
}
