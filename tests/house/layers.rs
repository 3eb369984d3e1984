//! Who may know of whom. ARCHITECTURE.md says why; here it is held.

use std::collections::BTreeSet;

use super::source::{Source, names_after, sources};
use crate::support::repository;

/// What each module of the engine may import from the engine.
const ENGINE: &[(&str, &[&str])] = &[
    ("table", &[]),
    ("diagnostics", &[]),
    ("worker", &["table"]),
    ("cache", &["table"]),
    ("spec", &["diagnostics"]),
    ("node", &["table", "diagnostics", "spec", "worker"]),
    ("plan", &["table", "diagnostics", "node"]),
    ("compile", &["table", "diagnostics", "spec", "node", "plan"]),
    (
        "run",
        &["table", "diagnostics", "node", "plan", "cache", "worker"],
    ),
];

/// Crates that only one folder may name, benchmarks aside.
const ONLY_IN: &[(&str, &str)] = &[
    ("petgraph", "engine/src/plan/"),
    ("tokio", "engine/src/run/"),
    ("tch", "nodes/torch/"),
    ("clap", "src/"),
];

#[test]
fn modules_of_the_engine_import_one_way() {
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    for source in sources("engine/src") {
        let Some((module, _)) = source.path["engine/src/".len()..].split_once('/') else {
            continue;
        };
        let Some((_, allowed)) = ENGINE.iter().find(|(name, _)| *name == module) else {
            faults.push(format!(
                "{}: the module `{module}` has no rule",
                source.path
            ));
            continue;
        };
        seen.insert(module.to_owned());
        for name in imports(&source) {
            let is_module = ENGINE.iter().any(|(module, _)| *module == name);
            if is_module && name != module && !allowed.contains(&name.as_str()) {
                faults.push(format!(
                    "{}: `{module}` must not know `{name}`",
                    source.path
                ));
            }
        }
    }
    assert_eq!(
        seen.len(),
        ENGINE.len(),
        "a rule without its module: {seen:?}"
    );
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The modules that a file of the engine names.
fn imports(source: &Source) -> Vec<String> {
    let code = source.code();
    let mut names = names_after(&code, "crate");
    if source.path.ends_with("/mod.rs") {
        names.extend(names_after(&code, "super"));
    } else {
        names.extend(names_after(&code, "super::super"));
    }
    names
}

#[test]
fn crates_stay_in_their_rooms() {
    let mut faults = Vec::new();
    let all = sources(".").into_iter();
    for source in all.filter(|source| !source.path.starts_with("benches/")) {
        let code = source.code();
        for (name, room) in ONLY_IN {
            if !source.path.starts_with(room) && !names_after(&code, name).is_empty() {
                faults.push(format!("{}: `{name}` belongs into {room}", source.path));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_worker_knows_tables_and_the_protocol_only() {
    let mut faults = Vec::new();
    for source in sources("nodes/torch") {
        for name in names_after(&source.code(), "trommel_engine") {
            if name != "table" && name != "worker" {
                faults.push(format!(
                    "{}: must not know `trommel_engine::{name}`",
                    source.path
                ));
            }
        }
        for other in ["trommel_nodes", "trommel"] {
            if !names_after(&source.code(), other).is_empty() {
                faults.push(format!("{}: must not know `{other}`", source.path));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn packages_depend_one_way() {
    let below_the_program = ["clap", "indicatif", "comfy-table", "trommel"];
    let forbidden: &[(&str, &[&str])] = &[
        (
            "engine",
            &[
                "polars",
                "tch",
                "trommel-hub",
                "ureq",
                "trommel-nodes",
                "trommel-media",
                "trommel-text",
                "trommel-checkpoint",
            ],
        ),
        ("nodes", &["tch", "trommel-hub", "trommel-torch"]),
        ("nodes/hub", &["tch", "polars", "trommel-nodes"]),
        ("nodes/media", &["tch", "trommel-engine", "trommel-nodes"]),
        ("nodes/text", &["tch", "trommel-engine", "trommel-nodes"]),
        (
            "nodes/checkpoint",
            &["tch", "trommel-engine", "trommel-nodes"],
        ),
        ("nodes/torch", &["polars", "trommel-nodes"]),
    ];
    for (package, names) in forbidden {
        let dependencies = dependencies(package);
        for name in names.iter().chain(&below_the_program) {
            assert!(
                !dependencies.contains(*name),
                "{package} must not depend on {name}"
            );
        }
    }
    assert!(
        !dependencies(".").contains("tch"),
        "the program must not link libtorch"
    );
}

/// The names under `[dependencies]` of a package.
fn dependencies(package: &str) -> BTreeSet<String> {
    let path = repository(package).join("Cargo.toml");
    let text = std::fs::read_to_string(&path).expect("a Cargo.toml");
    let section = text.split("\n[dependencies]\n").nth(1).unwrap_or_default();
    let lines = section.lines().take_while(|line| !line.starts_with('['));
    lines
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|n| !n.is_empty())
        .map(ToOwned::to_owned)
        .collect()
}

#[test]
fn the_built_program_links_no_libtorch() {
    let bytes = std::fs::read(env!("CARGO_BIN_EXE_trommel")).expect("the program");
    let name = b"libtorch_cpu.so";
    assert!(
        !bytes.windows(name.len()).any(|window| window == name),
        "libtorch is linked"
    );
}
