//! The dataset card: a `README.md` with the head that the Hugging Face hub reads, and in words how the rows were chosen.
//!
//! Head: <https://huggingface.co/docs/hub/datasets-cards>. Keys that only a person can answer (language, licence) are
//! left out.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json};
use trommel_engine::node::prelude::*;
use trommel_engine::node::{CARD_MARK, IMAGE, OutputContext};

/// The hub's classes of size, each with the rows that it ends before.
const SIZES: [(usize, &str); 8] = [
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
    (100_000_000, "10M<n<100M"),
    (1_000_000_000, "100M<n<1B"),
    (usize::MAX, "n>1B"),
];

pub(super) fn card(context: &OutputContext<'_>) -> Result<String, NodeError> {
    let fault = |_| NodeError::new("the dataset card could not be put together");
    let mut text = String::new();
    head(context, &mut text).map_err(fault)?;
    body(context, &mut text).map_err(fault)?;
    Ok(text)
}

fn head(context: &OutputContext<'_>, text: &mut String) -> std::fmt::Result {
    let rows = context.table.rows();
    let size = SIZES
        .iter()
        .find(|(end, _)| rows < *end)
        .unwrap_or(&SIZES[7])
        .1;
    let task = if context.table.column_index(IMAGE).is_some() {
        "image-text-to-text"
    } else {
        "text-generation"
    };
    // A text of JSON is one of YAML.
    let name = &context.provenance["pipeline"];
    let files = Json::from(files(context));
    writeln!(text, "---\npretty_name: {name}")?;
    writeln!(text, "size_categories:\n- {size}")?;
    writeln!(text, "task_categories:\n- {task}")?;
    writeln!(text, "tags:\n- data-selection\n- trommel")?;
    writeln!(text, "configs:\n- config_name: default\n  data_files:")?;
    writeln!(text, "  - split: train\n    path: {files}\n---")
}

/// The files of the rows, seen from the card.
fn files(context: &OutputContext<'_>) -> String {
    if context.format == "webdataset" {
        return "*.tar".into();
    }
    let name = context.path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn body(context: &OutputContext<'_>, text: &mut String) -> std::fmt::Result {
    let made = context.provenance;
    let (name, node) = (plain(&made["pipeline"]), plain(&made["node"]));
    let pipeline = context.pipeline.file_name().unwrap_or_default();
    writeln!(text, "{CARD_MARK}\n\n# {name}\n")?;
    write!(text, "{} rows", context.table.rows())?;
    writeln!(
        text,
        ", written by trommel {} in the format `{}` from the node `{node}` of the pipeline `{}`.",
        env!("CARGO_PKG_VERSION"),
        context.format,
        pipeline.to_string_lossy()
    )?;
    if let Some(folder) = context.image_folder {
        writeln!(text, "Their images stand in `{folder}`.")?;
    }
    let digest = context.file_digest;
    writeln!(text, "Digest (blake3) of the rows as written: `{digest}`.")?;
    if context.kind.starts_with("select.") {
        let lock = "`.lock.json` beside it names every pick; `trommel select verify` selects again and compares.";
        writeln!(text, "{lock}")?;
    }
    settings("Parameters", context.params, "", text)?;
    writeln!(text, "\n## How it was made")?;
    for (number, (name, node)) in members(&made["nodes"]).iter().enumerate() {
        let kind = plain(&node["kind"]);
        write!(
            text,
            "\n{}. `{name}`: {kind}, version {}",
            number + 1,
            node["version"]
        )?;
        match context.counts.get(name) {
            Some(rows) => writeln!(text, ", gave {rows} rows.")?,
            None => writeln!(text, ".")?,
        }
        settings("Settings", &node["config"], "   ", text)?;
        settings(
            "Files, by their digests (blake3)",
            &node["files"],
            "   ",
            text,
        )?;
    }
    Ok(())
}

/// A list of named values under a heading; nothing where there are none.
fn settings(heading: &str, values: &Json, indent: &str, text: &mut String) -> std::fmt::Result {
    let values = members(values);
    let is_said = |value: &Json| !value.is_null() && *value != Json::Array(Vec::new());
    if !values.values().any(is_said) {
        return Ok(());
    }
    writeln!(text, "\n{indent}{heading}:\n")?;
    for (name, value) in values.iter().filter(|(_, value)| is_said(value)) {
        // A file of one part has one digest.
        let only = value.as_object().filter(|parts| parts.len() == 1);
        let value = only.and_then(|parts| parts.get("content")).unwrap_or(value);
        writeln!(text, "{indent}- {name}: {}", code(value))?;
    }
    Ok(())
}

/// A span of code: of as many backticks as what is in it does not have.
fn code(value: &Json) -> String {
    let value = match value {
        Json::String(text) if !text.contains(char::is_control) => text.clone(),
        other => other.to_string(),
    };
    if value.contains('`') {
        return format!("``` {value} ```");
    }
    format!("`{value}`")
}

fn members(value: &Json) -> Map<String, Json> {
    value.as_object().cloned().unwrap_or_default()
}

fn plain(value: &Json) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_in_order_and_have_no_gaps() {
        assert!(SIZES.windows(2).all(|pair| pair[0].0 < pair[1].0));
        let of = |rows: usize| SIZES.iter().find(|(end, _)| rows < *end).unwrap().1;
        assert_eq!(
            [of(0), of(999), of(1_000), of(25_000)],
            ["n<1K", "n<1K", "1K<n<10K", "10K<n<100K"]
        );
    }

    #[test]
    fn values_that_hold_backticks_stay_code() {
        assert_eq!(code(&1.into()), "`1`");
        assert_eq!(code(&"a`b".into()), "``` a`b ```");
        assert_eq!(code(&"a\nb".into()), r#"`"a\nb"`"#);
    }
}
