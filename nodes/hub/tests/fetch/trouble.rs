//! What goes wrong for good, and what is said of it.

use super::*;

#[test]
fn a_connection_that_breaks_off_for_good_is_told_and_kept() {
    let bench = Bench::new(|request| {
        let cut = request.path.ends_with("/cdn/model.safetensors");
        if cut && request.from.is_none() {
            Answer::Cut(1_000_000)
        } else if cut {
            Answer::Cut(0)
        } else {
            Answer::Usual
        }
    });
    let told = bench.fails(MODEL);
    assert!(
        told.contains("model.safetensors has 1 MB of 3 MB"),
        "{told}"
    );
    assert!(told.contains("goes on from there"), "{told}");
    assert_eq!(fs::metadata(bench.part()).unwrap().len(), 1_000_000);
    assert!(
        !bench.folder().join("refs").exists(),
        "half a model is none"
    );
}

#[test]
fn contents_that_are_not_what_the_hub_says_are_refused() {
    let bench = Bench::new(|request| {
        if request.path.ends_with("/cdn/model.safetensors") {
            Answer::Spoilt
        } else {
            Answer::Usual
        }
    });
    let told = bench.fails(MODEL);
    assert!(
        told.contains("model.safetensors comes with other contents"),
        "{told}"
    );
    assert!(!bench.part().exists() && !bench.folder().join("refs").exists());
}

#[test]
fn a_busy_hub_is_asked_again() {
    let bench = Bench::new(|request| match request.before {
        0 => Answer::Status(503, ""),
        1 => Answer::Status(429, ""),
        _ => Answer::Usual,
    });
    bench.fetch(MODEL).unwrap();
    bench.is_there();
    let never = Bench::new(|_| Answer::Status(500, ""));
    let told = never.fails(MODEL);
    assert!(
        told.contains("answers 500 when asked for acme/tiny-clip"),
        "{told}"
    );
}

#[test]
fn refusals_say_what_to_do() {
    let gated = Bench::new(|request| {
        if request.path.contains("/resolve/") {
            Answer::Status(401, "GatedRepo")
        } else {
            Answer::Usual
        }
    });
    let told = gated.fails(MODEL);
    let page = format!("{}/acme/tiny-clip", gated.server.endpoint);
    for part in [
        "acme/tiny-clip is gated",
        "no token is given",
        "HF_TOKEN",
        &page,
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let mut with_token = Bench::new(|_| Answer::Status(403, "GatedRepo"));
    with_token.token = Token::new("hf_secret");
    let told = with_token.fails(MODEL);
    assert!(
        told.contains("the token of HF_TOKEN") && told.contains("agree on"),
        "{told}"
    );

    let unknown = Bench::new(|_| Answer::Usual);
    let told = unknown.fails("acme/other");
    for part in [
        "no folder /work/acme/other",
        "knows no model acme/other",
        "is the name right?",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let missing = Bench::new(|_| Answer::Status(404, ""));
    assert!(
        missing
            .fails(MODEL)
            .contains("knows no model acme/tiny-clip")
    );
    let revision = Bench::new(|_| Answer::Status(404, "RevisionNotFound"));
    let told = revision.fails("acme/tiny-clip@v9");
    assert!(told.contains("no revision `v9`"), "{told}");
}

#[test]
fn a_hub_that_is_not_there_is_told_at_once() {
    let bench = Bench::new(|_| Answer::Usual);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = nobody.local_addr().unwrap().port();
    drop(nobody);
    let fetch = |endpoint: String| {
        let hub = Hub::new(Settings {
            endpoint,
            cache: bench.cache.path().to_owned(),
            pause: Duration::from_millis(1),
            ..Settings::from_environment()
        });
        let model = HubModel {
            id: HubId::parse(MODEL).unwrap(),
            shown: MODEL.to_owned(),
            parts: PARTS,
            looked_at: "/work/acme/tiny-clip".to_owned(),
        };
        let error = hub.fetch(&model, &bench.heard, &bench.cancel).unwrap_err();
        format!("{}\n{}", error.message, error.help.unwrap_or_default())
    };
    let told = fetch(format!("http://127.0.0.1:{port}"));
    for part in [
        "cannot be reached",
        "connection is refused",
        "no folder /work/acme",
        "by hand",
    ] {
        assert!(part == "by hand" || told.contains(part), "{part}: {told}");
    }
    assert!(told.contains("copy its folder"), "{told}");
}

#[test]
fn a_repository_without_weights_and_answers_that_are_none() {
    let none = HubServer::start(vec![small("config.json", "{}")], |_| Answer::Usual);
    let mut bench = Bench::new(|_| Answer::Usual);
    bench.server = none;
    let told = bench.fails(MODEL);
    assert!(
        told.contains("1 files, none of which holds weights"),
        "{told}"
    );
    bench.server = HubServer::start(
        vec![HubFile {
            etag: "../x".to_owned(),
            ..large("model.safetensors", vec![1])
        }],
        |_| Answer::Usual,
    );
    let told = bench.fails(MODEL);
    assert!(
        told.contains("gives no etag for model.safetensors"),
        "{told}"
    );
}
