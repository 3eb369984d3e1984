//! What YAML becomes, and where its faults are found.

use proptest::prelude::*;

use super::*;

fn value(text: &str) -> Value {
    parse(&Source::new("t.yaml", text, ".")).unwrap()
}

fn fault(text: &str) -> Problem {
    parse(&Source::new("t.yaml", text, ".")).unwrap_err()
}

#[test]
fn places_are_bytes() {
    let v = value("é: ü\nlist: [1, 2e-5]\n");
    assert_eq!(v.get("é").unwrap().place.text(), "ü");
    let list = v.get("list").unwrap();
    assert_eq!(list.place.text(), "[1, 2e-5]");
    assert_eq!(v.to_json().to_string(), r#"{"é":"ü","list":[1,0.00002]}"#);
}

#[test]
fn scalars_as_serde_yaml_reads_them() {
    let v = value("a: 1\nb: '1'\nc: true\nd: ~\ne: 1.5\nf: hello\ng: !!str 1\nh: 1e3\ni: e5");
    assert_eq!(
        v.to_json().to_string(),
        r#"{"a":1,"b":"1","c":true,"d":null,"e":1.5,"f":"hello","g":"1","h":1000.0,"i":"e5"}"#
    );
}

#[test]
fn aliases_and_merges() {
    let v = value("base: &b {x: 1, y: 2}\nc: {<<: *b, y: 3}\nd: *b");
    assert_eq!(
        v.get("c").unwrap().to_json().to_string(),
        r#"{"y":3,"x":1}"#
    );
    assert_eq!(
        v.get("d").unwrap().to_json().to_string(),
        r#"{"x":1,"y":2}"#
    );
}

#[test]
fn faults() {
    assert_eq!(fault("").code, "spec::empty");
    assert_eq!(fault("a: 1\na: 2").code, "spec::duplicate_key");
    assert_eq!(fault("a: [1").code, "spec::yaml");
    assert_eq!(fault("a: 1\n---\nb: 2").code, "spec::several_documents");
    assert_eq!(fault(&"[".repeat(200)).code, "spec::too_deep");
    let mut bomb = String::from("a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]\n");
    for i in 1..9 {
        let refs = vec![format!("*a{}", i - 1); 9].join(", ");
        bomb += &format!("a{i}: &a{i} [{refs}]\n");
    }
    assert_eq!(fault(&bomb).code, "spec::too_large");
}

proptest! {
    #[test]
    fn never_panics(text in "[a-z0-9:&*<>{}\\[\\], \n'\"|#é-]{0,80}") {
        let _ = parse(&Source::new("t.yaml", text, "."));
    }
}
