//! `trommel kinds`: what nodes there are, from their own documentation and contracts.

use std::process::ExitCode;

use clap::Args;
use serde_json::Value as Json;
use trommel_engine::diagnostics::{Problem, Problems, Source};
use trommel_engine::node::{Contract, Entry, OutputFormat, RowsOf};
use trommel_engine::spec::parse_value;

use super::registry;
use crate::terminal::{self, give};

#[derive(Args)]
pub(crate) struct KindsArgs {
    /// One kind
    kind: Option<String>,
}

pub(super) fn run(args: &KindsArgs) -> Result<ExitCode, Problems> {
    let registry = registry();
    let Some(name) = &args.kind else {
        let width = registry
            .entries()
            .map(|e| e.kind.name().len())
            .max()
            .unwrap_or(0);
        for entry in registry.entries() {
            let text = entry.documentation();
            let first = text.lines().next().unwrap_or_default();
            give(&format!("{:width$}  {first}", entry.kind.name()));
        }
        let formats: Vec<&str> = registry.output_formats().map(OutputFormat::name).collect();
        terminal::say(&format!("formats of outputs: {}", formats.join(", ")));
        return Ok(ExitCode::SUCCESS);
    };
    let Some(entry) = registry.find(name) else {
        let near = registry
            .nearest_kind(name)
            .map(|n| format!("did you mean `{n}`?"));
        return Err(
            Problem::error("call::unknown_kind", format!("there is no kind `{name}`"))
                .help(near.unwrap_or_else(|| "`trommel kinds` lists them".into()))
                .into(),
        );
    };
    give(&format!(
        "{} (version {})\n",
        entry.kind.name(),
        entry.kind.version()
    ));
    give(entry.documentation().trim_end());
    give("\nConfiguration:");
    give_configuration(entry);
    if let Some(contract) = example_contract(entry) {
        give_ports(&contract);
    }
    Ok(ExitCode::SUCCESS)
}

fn give_configuration(entry: &Entry) {
    let schema = entry.kind.schema().to_value();
    let required: Vec<&str> = schema["required"]
        .as_array()
        .map(|r| r.iter().filter_map(Json::as_str).collect())
        .unwrap_or_default();
    let Some(properties) = schema["properties"].as_object() else {
        return;
    };
    let width = properties.keys().map(String::len).max().unwrap_or(0);
    for (name, property) in properties {
        let resolved = resolve(&schema, property);
        let default = match property.get("default") {
            _ if required.contains(&name.as_str()) => "required".to_owned(),
            None | Some(Json::Null) => "optional".to_owned(),
            Some(value) => format!("default {value}"),
        };
        let description = property["description"]
            .as_str()
            .or(resolved["description"].as_str())
            .unwrap_or_default();
        let description = description.split_whitespace().collect::<Vec<_>>().join(" ");
        give(&format!(
            "  {name:width$}  {} ({default}). {description}",
            type_of(resolved)
        ));
    }
}

fn resolve<'s>(schema: &'s Json, property: &'s Json) -> &'s Json {
    let reference = property["$ref"]
        .as_str()
        .or_else(|| property["anyOf"][0]["$ref"].as_str());
    let found = reference
        .and_then(|r| r.strip_prefix('#'))
        .and_then(|pointer| schema.pointer(pointer));
    found.unwrap_or(property)
}

fn type_of(property: &Json) -> String {
    if let Some(choices) = property["enum"].as_array() {
        return choices
            .iter()
            .filter_map(Json::as_str)
            .collect::<Vec<_>>()
            .join("|");
    }
    if let Some(choices) = property["oneOf"].as_array() {
        return choices
            .iter()
            .filter_map(|c| c["const"].as_str())
            .collect::<Vec<_>>()
            .join("|");
    }
    let title = property["title"].as_str().map(str::to_owned);
    let item = || type_of(&property["items"]);
    title.unwrap_or_else(|| match &property["type"] {
        Json::String(t) if t == "array" => format!("list of {}", item()),
        Json::String(t) => t.clone(),
        Json::Array(types) => {
            let names = types
                .iter()
                .filter_map(Json::as_str)
                .filter(|t| *t != "null");
            names
                .map(|t| {
                    if t == "array" {
                        format!("list of {}", item())
                    } else {
                        t.to_owned()
                    }
                })
                .collect::<Vec<_>>()
                .join("|")
        }
        _ => "value".into(),
    })
}

/// The contract of the kind's own example.
pub(super) fn example_contract(entry: &Entry) -> Option<Contract> {
    let source = Source::new("example", entry.example()?, ".");
    let (_, value) = parse_value(&source).ok()?.into_node()?;
    let place = value.place.clone();
    Some(entry.kind.decode(&value, &place).ok()?.contract())
}

fn give_ports(contract: &Contract) {
    for (number, port) in contract.ports.iter().enumerate() {
        let rows = match port.rows {
            RowsOf::Input(key) => format!("the rows of `{key}`"),
            RowsOf::New => "rows of its own".into(),
            RowsOf::Plain if port.files => "files; `format: folder` writes them".into(),
            RowsOf::Plain => "no records".into(),
        };
        let default = if number == 0 {
            ", the default port"
        } else {
            ""
        };
        give(&format!("\nPort {} ({rows}{default}):", port.name));
        if port.rows != RowsOf::Plain {
            give("  key  bytes\n  unique_idx  numbers (u64)");
        }
        if let Some(input) = port.passes {
            give(&format!("  the columns of `{input}`"));
        }
        for (name, ty) in &port.columns {
            give(&format!("  {name}  {ty}"));
        }
        if port.open {
            give("  more, known at run time");
        }
    }
    if contract.fails_by_row {
        give(
            "\nPort errors (rows that were quarantined):\n  key  bytes\n  unique_idx  numbers (u64)\n  reason  text",
        );
    }
}
