//! Faults of all sorts, and what they are taken for.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn reply(status: u16, body: &str) -> Reply {
    read(status, &|_| None, body.as_bytes(), SystemTime::now())
}

fn fault(status: u16, body: &Json) -> Fault {
    match reply(status, &body.to_string()) {
        Reply::Failure(failure) => failure.fault,
        answer @ Reply::Answer(..) => panic!("{answer:?}"),
    }
}

fn is_passing(fault: &Fault) -> bool {
    matches!(fault, Fault::Passing { .. })
}

#[test]
fn an_answer_is_kept_in_one_line() {
    let body = "{\n  \"choices\": [\n {\"message\": {\"content\": \"8\\n\"}}]}\n";
    let Reply::Answer(line, answer) = reply(200, body) else {
        panic!("an answer");
    };
    assert_eq!(line, r#"{"choices":[{"message":{"content":"8\n"}}]}"#);
    assert_eq!(answer.text, "8\n");
}

#[test]
fn passing_faults() {
    for status in [408, 409, 425, 429, 500, 502, 503, 504, 529] {
        assert!(is_passing(&fault(status, &json!({}))), "{status}");
    }
    for body in ["{\"choices\": [{\"mess", "<html>", "", "{}", "[]", "null"] {
        let Reply::Failure(failure) = reply(200, body) else {
            panic!("{body}");
        };
        assert!(is_passing(&failure.fault), "{body}");
    }
    let behind = json!({"error": {"code": 503, "message": "upstream is down"}});
    assert!(is_passing(&fault(200, &behind)));
}

#[test]
fn faults_that_meet_every_row() {
    for status in [301, 308, 401, 402, 403, 404, 405] {
        assert!(
            matches!(fault(status, &json!({})), Fault::Node { .. }),
            "{status}"
        );
    }
    let error =
        |code: &str, param: &str| json!({"error": {"message": "no", "code": code, "param": param}});
    for (status, body) in [
        (400, error("unsupported_parameter", "seed")),
        (400, error("x", "response_format")),
        (429, error("insufficient_quota", "")),
        (
            400,
            json!({"error": {"message": "Invalid model name passed in model=x"}}),
        ),
        (
            200,
            json!({"error": {"code": 401, "message": "who are you?"}}),
        ),
    ] {
        assert!(matches!(fault(status, &body), Fault::Node { .. }), "{body}");
    }
}

#[test]
fn faults_of_a_row() {
    let error = |code: &str, message: &str| json!({"error": {"message": message, "code": code, "param": "messages"}});
    for (status, of_content, body) in [
        (400, true, error("content_policy_violation", "no")),
        (400, true, error("context_length_exceeded", "no")),
        (
            400,
            true,
            json!({"message": "This model's maximum context length is 512 tokens"}),
        ),
        (403, true, error("", "Your input was flagged")),
        (413, true, json!("too large")),
        (422, false, json!({"detail": "hm"})),
        (400, false, json!({})),
    ] {
        assert_eq!(fault(status, &body), Fault::Row { of_content }, "{body}");
    }
}

#[test]
fn waiting_is_asked_for_by_the_server_within_reason() {
    let after = |seconds: &'static str| {
        let header = move |name: &str| (name == "retry-after").then(|| seconds.to_owned());
        match read(429, &header, b"{}", SystemTime::now()) {
            Reply::Failure(failure) => failure,
            answer @ Reply::Answer(..) => panic!("{answer:?}"),
        }
    };
    let Fault::Passing { retry_after, .. } = after("2").fault else {
        panic!("it passes");
    };
    assert_eq!(retry_after, Some(Duration::from_secs(2)));
    let long = after("7200");
    assert!(matches!(long.fault, Fault::Node { .. }));
    assert!(long.reason.contains("120 min"), "{}", long.reason);
}

#[test]
fn reasons_are_short_and_in_one_line() {
    let Reply::Failure(failure) = reply(500, &format!("a\n\nb {}", "é".repeat(5000))) else {
        panic!("a failure");
    };
    assert!(failure.reason.starts_with("HTTP 500: a b éé"));
    assert!(failure.reason.chars().count() < 330);
    let nothing = reply(502, "");
    assert_eq!(nothing, Reply::passing("HTTP 502: (nothing)".into()));
}

proptest! {
    #[test]
    fn no_bytes_panic(status in 100..999_u16, body in proptest::collection::vec(any::<u8>(), 0..64)) {
        read(status, &|_| None, &body, SystemTime::now());
    }
}
