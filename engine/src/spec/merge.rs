//! A file over the file that it extends: what each part of the one does to the same part of the other.

use super::pipeline::wrong_type;
use super::value::{Data, Value};
use crate::diagnostics::{Problem, Problems, Spanned, nearest, suggest};

type Entries = Vec<(Spanned<String>, Value)>;

/// Parts of a file that are about the file itself: they are not taken over.
const OWN: [&str; 3] = ["version", "extends", "tests"];

/// `over` put over `base`; both are mappings of whole files.
///
/// - `params` by name;
/// - `nodes` by name: see [`merge_nodes`];
/// - `matrix` by name, null takes a name away;
/// - `tests` are those of `over` alone: they are about that very pipeline;
/// - all else: what `over` has, else what `base` has.
pub(super) fn merge(base: Value, over: Value, problems: &mut Problems) -> Value {
    let place = over.place.clone();
    let mut entries = into_entries(over);
    for (key, value) in into_entries(base) {
        let Some(at) = entries.iter().position(|(k, _)| k.value == key.value) else {
            if !OWN.contains(&key.value.as_str()) {
                entries.push((key, value));
            }
            continue;
        };
        let (_, over) = &entries[at];
        let merged = match key.value.as_str() {
            "params" => by_name(&key.value, value, over, false, problems),
            "matrix" => by_name(&key.value, value, over, true, problems),
            "nodes" => merge_nodes(value, over, problems),
            _ => continue,
        };
        entries[at].1 = merged;
    }
    entries.retain(|(key, _)| key.value != "extends");
    Value::new(Data::Map(entries), place)
}

fn into_entries(value: Value) -> Entries {
    match value.data {
        Data::Map(entries) => entries,
        _ => Vec::new(),
    }
}

/// The entries of a part that must be a mapping; a part left empty has none.
fn entries_of(key: &str, value: &Value, problems: &mut Problems) -> Entries {
    match &value.data {
        Data::Map(entries) => entries.clone(),
        Data::Null => Vec::new(),
        _ => {
            problems.push(wrong_type(key, "a mapping", value));
            Vec::new()
        }
    }
}

fn by_name(
    key: &str,
    base: Value,
    over: &Value,
    null_takes_away: bool,
    problems: &mut Problems,
) -> Value {
    let mut entries = entries_of(key, &base, problems);
    for (name, value) in entries_of(key, over, problems) {
        let at = entries.iter().position(|(k, _)| k.value == name.value);
        match at {
            Some(at) if null_takes_away && matches!(value.data, Data::Null) => {
                entries.remove(at);
            }
            Some(at) => entries[at] = (name, value),
            None => entries.push((name, value)),
        }
    }
    Value {
        data: Data::Map(entries),
        ..over.clone()
    }
}

/// A node of both files is merged key by key, null takes a key away; with another `kind` it is
/// the node of `over` alone. A node that is null in `over` is removed. The order is that of `base`.
fn merge_nodes(base: Value, over: &Value, problems: &mut Problems) -> Value {
    let mut entries = entries_of("nodes", &base, problems);
    for (name, value) in entries_of("nodes", over, problems) {
        let at = entries.iter().position(|(k, _)| k.value == name.value);
        match at {
            None if is_complete(&value) => entries.push((name, value)),
            None => problems.push(not_in_base(&name, &value, &entries)),
            Some(at) if matches!(value.data, Data::Null) => {
                entries.remove(at);
            }
            Some(at) => {
                let (_, below) = entries.remove(at);
                entries.insert(at, (name, merge_node(below, value)));
            }
        }
    }
    Value {
        data: Data::Map(entries),
        ..over.clone()
    }
}

/// Whether it can be a node of its own. What is no mapping at all is reported with the other nodes.
fn is_complete(value: &Value) -> bool {
    match value.data {
        Data::Null => false,
        Data::Map(_) => value.get("kind").is_some(),
        _ => true,
    }
}

fn not_in_base(name: &Spanned<String>, value: &Value, base: &Entries) -> Problem {
    let names: Vec<&str> = base.iter().map(|(k, _)| k.value.as_str()).collect();
    let (message, label) = if matches!(value.data, Data::Null) {
        ("there is no node `{}` to remove", "removed here")
    } else {
        (
            "the node `{}` has no `kind`, and no node of that name is extended",
            "this node",
        )
    };
    let help = match nearest(&name.value, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => suggest(&name.value, "node", &names),
    };
    Problem::error("spec::extends_node", message.replace("{}", &name.value))
        .at(&name.place, label)
        .help(help)
}

fn merge_node(base: Value, over: Value) -> Value {
    let (Data::Map(mut entries), Data::Map(own)) = (base.data, over.data.clone()) else {
        return over;
    };
    let kind = |entries: &Entries| {
        let kind = entries.iter().find(|(k, _)| k.value == "kind");
        kind.and_then(|(_, v)| match &v.data {
            Data::Text(t) => Some(t.clone()),
            _ => None,
        })
    };
    if over.get("kind").is_some() && kind(&own) != kind(&entries) {
        return over;
    }
    for (key, value) in own {
        let at = entries.iter().position(|(k, _)| k.value == key.value);
        match at {
            Some(at) if matches!(value.data, Data::Null) => {
                entries.remove(at);
            }
            Some(at) => entries[at] = (key, value),
            // Null for a key that is not there stays: the kind says whether it knows the key.
            None => entries.push((key, value)),
        }
    }
    Value {
        data: Data::Map(entries),
        ..over
    }
}
