//! Statements that aggregate: each shard aggregates its own rows, and the last statement aggregates those.
//!
//! | of all rows | of a shard's | of these |
//! |---|---|---|
//! | `count(x)` | `count(x)` | `coalesce(sum(p), 0)` |
//! | `sum(x)`, `total(x)`, `min(x)`, `max(x)` | the same | the same of `p` |
//! | `avg(x)` | `total(x)`, `count(x)` | `total(p) / sum(q)` |
//! | `count(DISTINCT x)`, `sum(DISTINCT x)`, .. | the rows are grouped by `x`, too | `count(DISTINCT x)`, .. |
//!
//! What is grouped by is a column of the parts. The last statement is the one that was asked for, with each aggregate and each
//! expression of GROUP BY replaced as above; so HAVING, ORDER BY and expressions over aggregates need no rules of their own. What then still
//! names a column of a table, is neither: SQLite would take it from any row of the group.

use sqlparser::ast::{
    DataType, DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
    Ident, InTarget,
};

use super::scope::{Scope, ident};
use super::terms::Key;
use super::tree::{any, children, has_collation, refused};
use super::{Finish, PART, Question, Route, limit_text};
use crate::failure::Failure;
use crate::quote;
use crate::schema::Schema;

/// How SQLite converts what an expression is compared with. A column of parts has to be compared as the expression was that it stands for.
#[derive(Debug)]
enum Affinity {
    /// That of a column of a table, whose type is this.
    Column(&'static str),
    Cast(DataType),
    None,
}

impl Affinity {
    fn of(expr: &Expr, scope: &Scope) -> Self {
        match expr {
            Expr::CompoundIdentifier(parts) => scope.kind(parts).map_or(Self::None, Self::Column),
            Expr::Cast { data_type, .. } => Self::Cast(data_type.clone()),
            _ => Self::None,
        }
    }
}

pub(super) fn is_aggregate(expr: &Expr, schema: &Schema) -> bool {
    let Expr::Function(function) = expr else {
        return false;
    };
    let name = function.name.to_string().to_ascii_lowercase();
    // With two arguments these compare them.
    let is_scalar = matches!(&*name, "min" | "max") && arguments(function).len() != 1;
    schema.aggregates.contains(&name) && !is_scalar
}

fn arguments(function: &Function) -> &[FunctionArg] {
    match &function.args {
        FunctionArguments::List(list) => &list.args,
        _ => &[],
    }
}

/// The columns of the parts, and what they stand for.
#[derive(Debug)]
pub(super) struct Merging<'m> {
    schema: &'m Schema,
    keys: Vec<Expr>,
    affinities: Vec<Affinity>,
    /// Arguments of DISTINCT aggregates.
    distinct: Vec<Expr>,
    /// What the shards aggregate.
    partials: Vec<Expr>,
}

impl<'m> Merging<'m> {
    pub(super) fn new(keys: Vec<Expr>, scope: &Scope, schema: &'m Schema) -> Self {
        let affinities = keys.iter().map(|key| Affinity::of(key, scope)).collect();
        Self {
            schema,
            keys,
            affinities,
            distinct: Vec::new(),
            partials: Vec::new(),
        }
    }

    /// Key `index` of the parts, as an expression of the affinity that it had.
    pub(super) fn key(&self, index: usize) -> Expr {
        let column = Expr::Identifier(ident(&format!("#g{index}")));
        match &self.affinities[index] {
            Affinity::Column(_) => column,
            // To cast what was cast changes nothing; to store it in such a column might.
            Affinity::Cast(data_type) => verbatim(format!("CAST({column} AS {data_type})")),
            // A column without a type has an affinity that is not none; an expression has none.
            Affinity::None => verbatim(format!("(+{column})")),
        }
    }

    /// The statement that makes the table of parts.
    pub(super) fn create(&self) -> String {
        let key = |(index, affinity): (usize, &Affinity)| {
            let name = quote::name(&format!("#g{index}"));
            match affinity {
                Affinity::Column(kind) => format!("{name} {kind}"),
                Affinity::Cast(_) | Affinity::None => name,
            }
        };
        let numbered =
            |letter, count| (0..count).map(move |index| quote::name(&format!("#{letter}{index}")));
        let columns: Vec<_> = (self.affinities.iter().enumerate().map(key))
            .chain(numbered('d', self.distinct.len()))
            .chain(numbered('p', self.partials.len()))
            .collect();
        format!("CREATE TABLE {PART} ({})", columns.join(", "))
    }

    /// Makes an expression over rows one over parts.
    pub(super) fn substitute(&mut self, expr: &mut Expr) -> Result<(), Failure> {
        if let Some(index) = self.keys.iter().position(|key| key == expr) {
            *expr = self.key(index);
            return Ok(());
        }
        match expr {
            Expr::Function(function)
                if is_aggregate(&Expr::Function(function.clone()), self.schema) =>
            {
                *expr = self.aggregate(function)?;
                return Ok(());
            }
            Expr::CompoundIdentifier(parts) => {
                let column = &parts[parts.len() - 1].value;
                return refused(format!(
                    "`{column}` is neither grouped by nor aggregated: it would come from any row of the group"
                ));
            }
            Expr::Exists { .. } | Expr::Subquery(_) => return self.no_subquery(),
            Expr::In {
                target: InTarget::Subquery(_),
                ..
            } => return self.no_subquery(),
            _ => {}
        }
        for child in children(expr)? {
            self.substitute(child)?;
        }
        Ok(())
    }

    fn no_subquery(&self) -> Result<(), Failure> {
        refused(
            "a subquery beside aggregates: after the shards have answered there are no tables any more",
        )
    }

    fn aggregate(&mut self, function: &Function) -> Result<Expr, Failure> {
        let name = function.name.to_string();
        if !matches!(&*name, "count" | "sum" | "total" | "avg" | "min" | "max") {
            return refused(format!(
                "{name}() of all rows cannot be made of {name}() of each shard's"
            ));
        }
        if has_collation(&Expr::Function(function.clone()))? {
            return refused(format!("COLLATE inside of {name}()"));
        }
        let duplicates = match &function.args {
            FunctionArguments::List(list) => list.duplicate_treatment,
            _ => None,
        };
        let is_distinct = duplicates == Some(DuplicateTreatment::Distinct);
        if is_distinct && !matches!(&*name, "min" | "max") {
            return self.distinct(&name, function);
        }
        let mut partial = |name: &str| {
            let mut partial = function.clone();
            partial.name = vec![Ident::new(name)].into();
            let partial = Expr::Function(partial);
            let known = self.partials.iter().position(|other| *other == partial);
            let index = known.unwrap_or(self.partials.len());
            if known.is_none() {
                self.partials.push(partial);
            }
            quote::name(&format!("#p{index}"))
        };
        let merged = match &*name {
            "count" => format!("coalesce(sum({}), 0)", partial("count")),
            "avg" => {
                let (total, count) = (partial("total"), partial("count"));
                format!("(total({total}) / sum({count}))")
            }
            other => format!("{other}({})", partial(other)),
        };
        Ok(verbatim(merged))
    }

    fn distinct(&mut self, name: &str, function: &Function) -> Result<Expr, Failure> {
        let [FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))] = arguments(function) else {
            return refused(format!("{name}(DISTINCT ..) of other than one argument"));
        };
        let argument = match &function.filter {
            None => argument.clone(),
            // Nothing counts NULL.
            Some(filter) => verbatim(format!("CASE WHEN {filter} THEN {argument} END")),
        };
        let known = self.distinct.iter().position(|other| *other == argument);
        let index = known.unwrap_or(self.distinct.len());
        if known.is_none() {
            self.distinct.push(argument);
        }
        let column = quote::name(&format!("#d{index}"));
        Ok(verbatim(format!("{name}(DISTINCT {column})")))
    }
}

/// Text of ours as an expression that nothing looks into.
fn verbatim(text: String) -> Expr {
    Expr::Identifier(Ident::new(text))
}

pub(super) fn split(question: Question<'_>) -> Result<Route, Failure> {
    let Question {
        scope,
        schema,
        mut outputs,
        is_distinct,
        rest,
        groups,
        mut having,
        mut terms,
    } = question;
    let has_groups = !groups.is_empty();
    let mut keys: Vec<Expr> = Vec::new();
    for group in groups {
        if has_collation(&group)? {
            return refused(
                "GROUP BY with COLLATE: which of two equal values is shown would depend on the shards",
            );
        }
        if any(&group, &mut |part| is_aggregate(part, schema))? {
            return refused("an aggregate in GROUP BY");
        }
        if !keys.contains(&group) {
            keys.push(group);
        }
    }
    let mut merging = Merging::new(keys, scope, schema);
    for output in &mut outputs {
        merging.substitute(&mut output.expr)?;
    }
    if let Some(condition) = &mut having {
        merging.substitute(condition)?;
    }
    let mut order = Vec::new();
    for term in &mut terms.order {
        let key = match &mut term.key {
            Key::Output(place) => (*place + 1).to_string(),
            Key::Expr(expr) if is_distinct => {
                return refused(format!(
                    "ORDER BY `{expr}` beside DISTINCT, which is not one of its columns"
                ));
            }
            Key::Expr(expr) => {
                merging.substitute(expr)?;
                format!("({expr})")
            }
        };
        order.push(term.text(&key, term.collation.as_deref()));
    }
    let items: Vec<_> = merging.keys.iter().chain(&merging.distinct).collect();
    let groups: Vec<_> = (1..=items.len()).map(|place| place.to_string()).collect();
    let items: Vec<_> = items
        .into_iter()
        .chain(&merging.partials)
        .map(ToString::to_string)
        .collect();
    let mut sql = format!("SELECT {}{rest}", items.join(", "));
    if !groups.is_empty() {
        sql += &format!(" GROUP BY {}", groups.join(", "));
    }
    let shown: Vec<_> = outputs
        .iter()
        .map(|output| output.expr.to_string())
        .collect();
    let distinct = if is_distinct { "DISTINCT " } else { "" };
    let mut last = format!("SELECT {distinct}{} FROM {PART}", shown.join(", "));
    if has_groups {
        let keys: Vec<_> = (0..merging.keys.len())
            .map(|index| quote::name(&format!("#g{index}")))
            .collect();
        last += &format!(" GROUP BY {}", keys.join(", "));
    }
    if let Some(condition) = having {
        last += &format!(" HAVING {condition}");
    }
    if !order.is_empty() {
        last += &format!(" ORDER BY {}", order.join(", "));
    }
    last += &limit_text(terms.limit);
    let finish = Finish::Merge {
        create: merging.create(),
        sql: last,
    };
    Ok(Route::Each { sql, finish })
}
