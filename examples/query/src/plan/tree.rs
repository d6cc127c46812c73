//! The expressions that the planner knows: their parts, and how tightly SQLite binds them.
//!
//! What is not listed here is refused. So nothing is sent to a shard, or merged, whose parts have not been looked at.

use sqlparser::ast::{
    BinaryOperator, CastKind, CeilFloorKind, DateTimeField, Expr, Function, FunctionArg,
    FunctionArgExpr, FunctionArguments, InTarget, UnaryOperator,
};

use crate::failure::Failure;

pub(super) fn refused<T>(why: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::Refused(why.into()))
}

/// The direct parts of an expression. A subquery has none: it is taken or refused as a whole.
pub(super) fn children(expr: &mut Expr) -> Result<Vec<&mut Expr>, Failure> {
    let boxed = match expr {
        Expr::Identifier(_)
        | Expr::CompoundIdentifier(_)
        | Expr::Value(_)
        | Expr::Exists { .. }
        | Expr::Subquery(_) => vec![],
        Expr::In {
            expr,
            target: InTarget::List(list),
            ..
        } => return Ok(std::iter::once(&mut **expr).chain(list).collect()),
        Expr::In {
            expr,
            target: InTarget::Subquery(_),
            ..
        } => vec![expr],
        Expr::IsNull(expr)
        | Expr::IsNotNull(expr)
        | Expr::IsTrue(expr)
        | Expr::IsNotTrue(expr)
        | Expr::IsFalse(expr)
        | Expr::IsNotFalse(expr)
        | Expr::Nested(expr)
        | Expr::Collate { expr, .. }
        | Expr::Cast {
            kind: CastKind::Cast,
            expr,
            format: None,
            ..
        }
        | Expr::Ceil {
            expr,
            field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime),
        }
        | Expr::Floor {
            expr,
            field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime),
        }
        | Expr::UnaryOp {
            op:
                UnaryOperator::Plus
                | UnaryOperator::Minus
                | UnaryOperator::Not
                | UnaryOperator::BitwiseNot,
            expr,
        } => vec![expr],
        Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right) => {
            vec![left, right]
        }
        Expr::BinaryOp { left, op, right } => {
            if of_operator(op).is_none() {
                return refused(format!("the planner does not know the operator {op}"));
            }
            vec![left, right]
        }
        Expr::Between {
            expr, low, high, ..
        } => vec![expr, low, high],
        Expr::Like {
            any: false,
            expr,
            pattern,
            escape_char,
            ..
        } => [expr, pattern].into_iter().chain(escape_char).collect(),
        Expr::Substring {
            expr,
            substring_from,
            substring_for,
            special: true,
            ..
        } => std::iter::once(expr)
            .chain(substring_from)
            .chain(substring_for)
            .collect(),
        Expr::Trim {
            trim_where: None,
            trim_what: None,
            expr,
            trim_characters,
        } => {
            let characters = trim_characters.iter_mut().flatten();
            return Ok(std::iter::once(&mut **expr).chain(characters).collect());
        }
        Expr::Case {
            operand,
            conditions,
            else_result,
            ..
        } => {
            let whens = conditions.iter_mut();
            let whens = whens.flat_map(|when| [&mut when.condition, &mut when.result]);
            let operand = operand.iter_mut().map(|expr| &mut **expr);
            let other = else_result.iter_mut().map(|expr| &mut **expr);
            return Ok(operand.chain(whens).chain(other).collect());
        }
        Expr::Tuple(list) => return Ok(list.iter_mut().collect()),
        Expr::Function(function) => return of_function(function),
        other => return refused(format!("the planner does not know `{other}`")),
    };
    Ok(boxed.into_iter().map(|expr| &mut **expr).collect())
}

fn of_function(function: &mut Function) -> Result<Vec<&mut Expr>, Failure> {
    let name = function.name.to_string();
    if function.over.is_some() {
        return refused(format!(
            "{name} is a window function, and each shard sees its own rows alone"
        ));
    }
    let is_plain = function.within_group.is_empty()
        && function.null_treatment.is_none()
        && function.parameters == FunctionArguments::None
        && !function.uses_odbc_syntax;
    let mut parts = Vec::new();
    match &mut function.args {
        // Others of that kind are columns for SQLite, as `user`.
        FunctionArguments::None if is_plain && name.starts_with("current_") => {}
        FunctionArguments::List(list) if is_plain && list.clauses.is_empty() => {
            for arg in &mut list.args {
                match arg {
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => parts.push(expr),
                    FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => {}
                    other => return refused(format!("`{other}` as an argument of {name}")),
                }
            }
        }
        _ => return refused(format!("what stands inside of the call of {name}")),
    }
    parts.extend(function.filter.as_deref_mut());
    Ok(parts)
}

/// Whether `test` holds of the expression or of one of its parts.
pub(super) fn any(expr: &Expr, test: &mut dyn FnMut(&Expr) -> bool) -> Result<bool, Failure> {
    // There is one list of parts, and it lends them to be changed.
    fn look(expr: &mut Expr, test: &mut dyn FnMut(&Expr) -> bool) -> Result<bool, Failure> {
        if test(expr) {
            return Ok(true);
        }
        for child in children(expr)? {
            if look(child, test)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
    look(&mut expr.clone(), test)
}

pub(super) fn has_collation(expr: &Expr) -> Result<bool, Failure> {
    any(expr, &mut |part| matches!(part, Expr::Collate { .. }))
}

// ------------------------------------------------------------------------------------------------ Binding

const NOT: u8 = 3;
const EQUALITY: u8 = 4;
const COLLATE: u8 = 11;
const PREFIX: u8 = 12;

/// How tightly SQLite binds an operator; none for those that the planner does not know.
fn of_operator(op: &BinaryOperator) -> Option<u8> {
    use BinaryOperator::{
        And, Arrow, BitwiseAnd, BitwiseOr, Divide, Eq, Glob, Gt, GtEq, LongArrow, Lt, LtEq, Minus,
        Modulo, Multiply, NotEq, Or, PGBitwiseShiftLeft, PGBitwiseShiftRight, Plus, StringConcat,
    };
    Some(match op {
        Or => 1,
        And => 2,
        Eq | NotEq | Glob => EQUALITY,
        Lt | LtEq | Gt | GtEq => 5,
        BitwiseAnd | BitwiseOr | PGBitwiseShiftLeft | PGBitwiseShiftRight => 7,
        Plus | Minus => 8,
        Multiply | Divide | Modulo => 9,
        StringConcat | Arrow | LongArrow => 10,
        _ => return None,
    })
}

/// How tightly an expression is bound; none if it needs no parentheses anywhere.
fn binding(expr: &Expr) -> Option<u8> {
    Some(match expr {
        Expr::BinaryOp { op, .. } => of_operator(op)?,
        Expr::UnaryOp {
            op: UnaryOperator::Not,
            ..
        } => NOT,
        Expr::UnaryOp { .. } => PREFIX,
        Expr::Collate { .. } => COLLATE,
        Expr::In { .. }
        | Expr::Between { .. }
        | Expr::Like { .. }
        | Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::IsTrue(_)
        | Expr::IsNotTrue(_)
        | Expr::IsFalse(_)
        | Expr::IsNotFalse(_)
        | Expr::IsDistinctFrom(..)
        | Expr::IsNotDistinctFrom(..) => EQUALITY,
        // `NOT EXISTS (..)`, too, is closed by its parenthesis; what stands before it binds as NOT does.
        Expr::Exists { negated: true, .. } => NOT,
        _ => return None,
    })
}

/// How many of the children, from the first, are operands, which stand without commas or keywords around them.
fn operands(expr: &Expr, children: usize) -> usize {
    match expr {
        Expr::In { .. } => 1,
        _ if binding(expr).is_some() => children,
        _ => 0,
    }
}

/// Fails where SQLite would read an expression in another way than the parser did.
pub(super) fn check_binding(expr: &mut Expr) -> Result<(), Failure> {
    let Some(own) = binding(expr) else {
        return Ok(());
    };
    let is_prefix = matches!(expr, Expr::UnaryOp { .. });
    let shown = expr.clone();
    let parts = children(expr)?;
    let count = operands(&shown, parts.len());
    for (place, part) in parts.into_iter().take(count).enumerate() {
        // Operators of one kind are read from the left.
        let is_tight = binding(part)
            .is_none_or(|inner| inner > own || inner == own && (place == 0 || is_prefix));
        if !is_tight {
            return refused(format!(
                "`{shown}` is read in two ways: put parentheses around `{part}`, or around what comes before it"
            ));
        }
    }
    Ok(())
}

/// Puts each operand of an operator in parentheses, if it needs them anywhere. Afterwards the text means what the tree does.
pub(super) fn enclose_operands(expr: &mut Expr) -> Result<(), Failure> {
    let shown = expr.clone();
    let parts = children(expr)?;
    let count = operands(&shown, parts.len());
    for part in parts.into_iter().take(count) {
        enclose(part);
    }
    Ok(())
}

pub(super) fn enclose(expr: &mut Expr) {
    if binding(expr).is_some() {
        let inner = std::mem::replace(expr, Expr::Tuple(Vec::new()));
        *expr = Expr::Nested(Box::new(inner));
    }
}
