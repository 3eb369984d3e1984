//! Faults of mappings, all of them at once.

use serde::Deserialize;

use super::*;
use crate::diagnostics::Source;
use crate::spec::parse_value as parse;

#[derive(Deserialize, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
struct Config {
    model: String,
    #[serde(default)]
    count: u32,
    #[serde(default)]
    rate: f64,
    #[serde(default)]
    mode: Mode,
    #[serde(default)]
    list: Vec<String>,
}

#[derive(Deserialize, Debug, PartialEq, Default)]
#[serde(rename_all = "lowercase")]
enum Mode {
    #[default]
    Fast,
    Exact,
}

fn decoded(text: &str) -> Result<Config, Vec<String>> {
    let value = parse(&Source::new("t", text, ".")).unwrap();
    decode::<Config>(&value, &value.place).map_err(|p| {
        p.iter()
            .map(|p| format!("{}: {}", p.code, p.message))
            .collect()
    })
}

#[test]
fn decodes() {
    let config = decoded("{model: m, count: 3, rate: 2, mode: exact, list: [a]}").unwrap();
    assert!((config.rate - 2.0).abs() < f64::EPSILON);
    assert_eq!(config.mode, Mode::Exact);
}

#[test]
fn every_fault_of_a_mapping_is_reported() {
    let faults = decoded("{modle: m, count: -1, mode: fats, list: a}").unwrap_err();
    assert_eq!(
        faults,
        [
            "spec::unknown_key: there is no key `modle` here",
            "spec::type: `count` must be a whole number of 0 or more, found the number -1",
            "spec::variant: `fats` is not one of the choices for `mode`",
            "spec::type: `list` must be a list, found the text \"a\"",
            "spec::missing_key: the key `model` is missing",
        ]
    );
}

#[test]
fn every_missing_key_is_reported_but_not_one_that_is_misspelt() {
    #[derive(Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its shape counts")]
    struct Many {
        model: String,
        count: u32,
        list: Vec<f64>,
        mode: Mode,
        flag: bool,
        inner: Option<Config>,
    }
    let value = parse(&Source::new("t", "{modell: m, flag: 3}", ".")).unwrap();
    let faults: Vec<String> = decode::<Many>(&value, &value.place)
        .unwrap_err()
        .iter()
        .map(|p| p.message.clone())
        .collect();
    assert_eq!(
        faults,
        [
            "there is no key `modell` here",
            "`flag` must be true or false, found the number 3",
            "the key `count` is missing",
            "the key `list` is missing",
            "the key `mode` is missing",
        ]
    );
}
