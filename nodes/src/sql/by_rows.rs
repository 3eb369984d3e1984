//! Whether the value that an expression gives for a row depends on that row alone.

use polars_lazy::prelude::{AggExpr, BooleanFunction, Expr, FunctionExpr, StringFunction};

/// The part of an expression that looks at other rows than its own (aggregates, windows, sorting, `*`), if there is one.
/// What is not known to work row by row counts as such a part.
pub(super) fn beyond_its_row(expr: &Expr) -> Option<&Expr> {
    match expr {
        Expr::Column(_) | Expr::Literal(_) => None,
        Expr::Alias(inner, _)
        | Expr::KeepName(inner)
        | Expr::Cast { expr: inner, .. }
        | Expr::RenameAlias { expr: inner, .. } => beyond_its_row(inner),
        Expr::BinaryExpr { left, right, .. } => {
            beyond_its_row(left).or_else(|| beyond_its_row(right))
        }
        Expr::Ternary {
            predicate,
            truthy,
            falsy,
        } => [predicate, truthy, falsy]
            .into_iter()
            .find_map(|part| beyond_its_row(part)),
        Expr::Function { input, function } if is_by_row(function) => {
            input.iter().find_map(beyond_its_row)
        }
        Expr::AnonymousFunction { input, options, .. } if options.is_elementwise() => {
            input.iter().find_map(beyond_its_row)
        }
        // Within the list that a row holds.
        Expr::Eval { expr, variant, .. } if variant.is_elementwise() => beyond_its_row(expr),
        // The list of `IN (...)`.
        Expr::Agg(AggExpr::Implode { input, .. }) if matches!(**input, Expr::Literal(_)) => None,
        other => Some(other),
    }
}

fn is_by_row(function: &FunctionExpr) -> bool {
    use FunctionExpr as F;
    match function {
        F::Boolean(f) => matches!(
            f,
            BooleanFunction::IsNull
                | BooleanFunction::IsNotNull
                | BooleanFunction::IsFinite
                | BooleanFunction::IsInfinite
                | BooleanFunction::IsNan
                | BooleanFunction::IsNotNan
                | BooleanFunction::IsIn { .. }
                | BooleanFunction::AllHorizontal
                | BooleanFunction::AnyHorizontal
                | BooleanFunction::Not
        ),
        F::StringExpr(f) => !matches!(f, StringFunction::ConcatVertical { .. }),
        F::Abs
        | F::Negate
        | F::Pow(_)
        | F::Trigonometry(_)
        | F::Atan2
        | F::Sign
        | F::Log
        | F::Log1p
        | F::Exp
        | F::Round { .. }
        | F::Truncate { .. }
        | F::Floor
        | F::Ceil
        | F::Clip { .. }
        | F::Coalesce
        | F::FillNull
        | F::MaxHorizontal
        | F::MinHorizontal
        | F::SumHorizontal { .. }
        | F::MeanHorizontal { .. }
        | F::TemporalExpr(_)
        | F::ListExpr(_)
        | F::ArrayExpr(_)
        | F::StructExpr(_)
        | F::BinaryExpr(_) => true,
        _ => false,
    }
}
