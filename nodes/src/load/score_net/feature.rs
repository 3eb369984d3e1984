//! What a score net's weights belong to: as the columns have it, and as a checkpoint of ours says it.

use std::path::Path;

use serde::Deserialize;
use trommel_engine::node::prelude::*;
use trommel_engine::table::{floats, vectors};

/// Beside the weights of `train.self_filter`.
const DESCRIPTION: &str = "score_net.json";

/// A feature with as many weights as it is wide.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Feature {
    pub(super) name: String,
    pub(super) width: usize,
    /// Of a scalar: what training scaled to [-1, 1].
    pub(super) range: Option<(f64, f64)>,
}

/// Names and widths, for messages.
pub(super) fn listed(features: &[Feature]) -> String {
    let words = features.iter().map(|f| format!("{} ({})", f.name, f.width));
    words.collect::<Vec<_>>().join(", ")
}

/// The columns' features; ranges are those over the rows that have all of them.
pub(super) fn of_columns(
    views: &[ColumnView<'_>],
    context: &Context<'_>,
) -> Result<Vec<Feature>, NodeError> {
    let feature = |view: &ColumnView<'_>| {
        let field = view.table.field(view.column);
        let is_vector = field.is_some_and(|field| field.data_type().is_nested());
        Feature {
            name: view.reference.to_owned(),
            width: usize::from(!is_vector),
            range: (!is_vector).then_some((f64::INFINITY, f64::NEG_INFINITY)),
        }
    };
    let mut features: Vec<Feature> = views.iter().map(feature).collect();
    let chunks = views.first().map_or(0, |view| view.table.chunks().len());
    let mut complete = 0;
    for chunk in 0..chunks {
        context.check_cancelled()?;
        complete += widen(&mut features, views, chunk)?;
    }
    if complete == 0 {
        return Err(NodeError::new("no row has all features")
            .help("the ranges of numbers and the widths of vectors are taken from the rows"));
    }
    Ok(features)
}

/// Takes a chunk's rows into the features' ranges; says how many rows have all of them.
fn widen(
    features: &mut [Feature],
    views: &[ColumnView<'_>],
    chunk: usize,
) -> Result<usize, NodeError> {
    let mut scalars: Vec<(usize, Vec<Option<f64>>)> = Vec::new();
    let mut complete: Vec<bool> = Vec::new();
    for (place, (feature, view)) in features.iter_mut().zip(views).enumerate() {
        let index = view.table.column_index(view.column).unwrap_or_default();
        let array = view.table.chunks()[chunk].columns[index].array()?;
        complete.resize(array.len(), true);
        for (row, complete) in complete.iter_mut().enumerate() {
            *complete &= array.is_valid(row);
        }
        if feature.range.is_some() {
            scalars.push((place, floats(&array)?));
        } else {
            feature.width = vectors(&array)?.width();
        }
    }
    for (place, values) in scalars {
        let feature = &mut features[place];
        let rows = values.iter().zip(&complete);
        for value in rows.filter_map(|(value, complete)| value.filter(|_| *complete)) {
            if !value.is_finite() {
                return Err(NodeError::new(format!("`{}` holds {value}", feature.name))
                    .help("a feature's range is that of finite numbers"));
            }
            let (min, max) = feature.range.unwrap_or((value, value));
            feature.range = Some((min.min(value), max.max(value)));
        }
    }
    Ok(complete.iter().filter(|complete| **complete).count())
}

#[derive(Deserialize)]
struct Description {
    /// In the order of the weights.
    features: Vec<Described>,
}

#[derive(Deserialize)]
struct Described {
    feature: String,
    components: u32,
    min: Option<f64>,
    max: Option<f64>,
}

/// What the checkpoint itself says, if it does: its order and its ranges count, since the net was trained with them.
pub(super) fn of_checkpoint(
    path: &Path,
    columns: &[Feature],
) -> Result<Option<Vec<Feature>>, NodeError> {
    let file = path.join(DESCRIPTION);
    if !file.is_file() {
        return Ok(None);
    }
    let fault = |reason: String| NodeError::new(format!("{}: {reason}", file.display()));
    let text = std::fs::read(&file).map_err(|e| fault(e.to_string()))?;
    let saved: Description = serde_json::from_slice(&text)
        .map_err(|e| fault(format!("it does not say what the weights belong to: {e}")))?;
    let saved: Vec<Feature> = saved.features.into_iter().map(Feature::from).collect();
    let is_column = |feature: &Feature| {
        columns.iter().any(|column| {
            (&column.name, column.width, column.range.is_some())
                == (&feature.name, feature.width, feature.range.is_some())
        })
    };
    if saved.len() != columns.len() || !saved.iter().all(is_column) {
        let (trained, given) = (listed(&saved), listed(columns));
        return Err(fault(format!(
            "the score net was trained on {trained}, and `features` names {given}"
        ))
        .help("name the same columns, in any order"));
    }
    Ok(Some(saved))
}

impl From<Described> for Feature {
    fn from(described: Described) -> Self {
        Self {
            name: described.feature,
            width: described.components as usize,
            range: described.min.zip(described.max),
        }
    }
}
