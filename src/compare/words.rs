//! Comparisons for people.

use serde_json::Value as Json;
use trommel_engine::cache::NodeState;

use super::runs::{Change, Head, NodeSide, Outcome, RunsCompared};
use super::selection::{Compared, Correlation};
use super::sorts::Share;
use crate::layout::plain;
use crate::summary::MOST_GROUPS;

pub(crate) fn of_runs(compared: &RunsCompared) -> String {
    let RunsCompared { a, b, .. } = compared;
    let mut text = format!("A  {}\nB  {}\n", head(a), head(b));
    for (title, changes) in [
        ("parameter", &compared.params),
        ("setting", &compared.config),
    ] {
        if !changes.is_empty() {
            text += &format!("\n{}\n", table_of_changes(title, changes));
        }
    }
    if compared.params.is_empty() && compared.config.is_empty() {
        text += "\nnothing is set differently\n";
    }
    let rows: Vec<Vec<String>> = compared
        .nodes
        .iter()
        .map(|pair| {
            let rows = |side: &Option<NodeSide>| {
                side.as_ref().map_or(String::new(), |s| s.rows.to_string())
            };
            let result = if pair.same { "same" } else { "" };
            vec![
                pair.node.clone(),
                time(pair.a.as_ref()),
                time(pair.b.as_ref()),
                rows(&pair.a),
                rows(&pair.b),
                result.to_owned(),
            ]
        })
        .collect();
    let header = ["node", "A", "B", "rows A", "rows B", "result"];
    text += &format!("\n{}\n", plain(&header, &rows));
    for (node, ranking) in &compared.rankings {
        text += &format!(
            "\n{node}: {}\n",
            match ranking {
                Outcome::Compared(correlation) => correlated(correlation),
                Outcome::NotCompared(why) => why.clone(),
            }
        );
    }
    for (node, selection) in &compared.selections {
        text += &match selection {
            Outcome::Compared(compared) => format!("\n{node}: {}\n", of_selections(compared)),
            Outcome::NotCompared(why) => format!("\n{node}: {why}\n"),
        };
    }
    text.trim_end().to_owned()
}

fn head(head: &Head) -> String {
    let state = format!("{:?}", head.state).to_lowercase();
    format!(
        "{}  {}  {state} after {:.2} s, trommel {}",
        head.run, head.pipeline, head.seconds, head.version
    )
}

fn table_of_changes(title: &str, changes: &[Change]) -> String {
    let value = |value: &Option<Json>| {
        value
            .as_ref()
            .map_or_else(|| "-".to_owned(), |v| cut(&v.to_string()))
    };
    let rows: Vec<Vec<String>> = changes
        .iter()
        .map(|change| vec![change.what.clone(), value(&change.a), value(&change.b)])
        .collect();
    plain(&[title, "A", "B"], &rows)
}

/// Long prompts and lists are cut.
fn cut(text: &str) -> String {
    const LONGEST: usize = 50;
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST - 1).chain(['…']).collect()
}

fn time(side: Option<&NodeSide>) -> String {
    match side {
        None => "-".to_owned(),
        Some(side) => match side.state {
            NodeState::Done => format!("{:.2} s", side.seconds),
            NodeState::Started => "stopped".to_owned(),
            NodeState::Waiting => "not run".to_owned(),
            other => format!("{other:?}").to_lowercase(),
        },
    }
}

fn correlated(correlation: &Correlation) -> String {
    let Correlation {
        column,
        rows,
        spearman,
    } = correlation;
    match spearman {
        Some(value) => format!("{column} of {rows} common rows: Spearman {value:.3}"),
        None => format!("{column} of {rows} common rows: no rank correlation"),
    }
}

/// Some lines; the first one has no indentation.
pub(crate) fn of_selections(compared: &Compared) -> String {
    let mut lines = vec![format!(
        "{} and {} picks, {} in both: {} of A, {} of B; Jaccard {}",
        compared.rows_a,
        compared.rows_b,
        compared.common,
        percent(compared.share_of_a),
        percent(compared.share_of_b),
        compared
            .jaccard
            .map_or_else(|| "-".to_owned(), |j| format!("{j:.3}")),
    )];
    if let Some(shift) = compared.mean_shift {
        let order = compared.order.map_or_else(String::new, |order| {
            format!("; the order of the common picks: Spearman {order:.3}")
        });
        lines.push(format!(
            "a common pick stands {shift:.1} places apart in the mean{order}"
        ));
    }
    lines.extend(compared.score.as_ref().map(correlated));
    if let Some([a, b]) = compared.mean_text_length {
        lines.push(format!(
            "mean length of the text: {a:.0} and {b:.0} letters"
        ));
    }
    let Some(shares) = &compared.shares else {
        lines.push(
            "sorts and lengths are not compared: a lock file does not hold the rows, RUN:NODE does"
                .to_owned(),
        );
        return lines.join("\n  ");
    };
    let rows: Vec<Vec<String>> = shares
        .chunk_by(|a, b| a.column == b.column)
        .flat_map(of_column)
        .collect();
    if !rows.is_empty() {
        let table = plain(&["column", "value", "of A", "of B", "shift"], &rows);
        lines.extend(table.lines().map(ToOwned::to_owned));
    }
    lines.join("\n  ")
}

/// The shares of one column; of many values those that shift most.
fn of_column(shares: &[Share]) -> Vec<Vec<String>> {
    let mut shown: Vec<&Share> = shares.iter().collect();
    if shares.len() > MOST_GROUPS {
        let shift = |share: &Share| (share.b - share.a).abs();
        shown.sort_by(|a, b| shift(b).total_cmp(&shift(a)));
        shown.truncate(MOST_GROUPS);
    }
    let mut rows: Vec<Vec<String>> = shown
        .iter()
        .map(|s| {
            vec![
                s.column.clone(),
                cut(&s.value),
                percent(Some(s.a)),
                percent(Some(s.b)),
                format!("{:+.1}", 100.0 * (s.b - s.a)),
            ]
        })
        .collect();
    if shown.len() < shares.len() {
        let more = format!("({} that shift less)", shares.len() - shown.len());
        let mut row = vec![shares[0].column.clone(), more];
        row.resize(5, String::new());
        rows.push(row);
    }
    rows
}

fn percent(part: Option<f64>) -> String {
    part.map_or_else(|| "-".to_owned(), |p| format!("{:.1} %", p * 100.0))
}
