//! Reading records back: of runs that ended, that go on, that were killed; broken ones.

use serde_json::json;

use super::*;

fn cache() -> (tempfile::TempDir, Cache) {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path().join("cache")).unwrap();
    (folder, cache)
}

fn account(id: &str) -> RunRecord {
    serde_json::from_value(json!({
        "id": id, "state": "running", "started": "2026-11-24T10:15:30.000Z", "seconds": 0.0,
        "version": "0.1.0", "system": "Linux", "processors": 2, "process": std::process::id(), "jobs": 2,
        "device": "auto", "pipeline": "p", "file": "/p.yaml", "params": {}, "peak_memory": null,
        "workers": [], "nodes": {}, "outputs": [],
    }))
    .unwrap()
}

fn started(cache: &Cache, keep: usize) -> RunFolder {
    let run = cache.start_run(keep).unwrap();
    run.write_account(&account(&run.id)).unwrap();
    // Names of one millisecond have no order.
    std::thread::sleep(std::time::Duration::from_millis(2));
    run
}

fn key() -> Digest {
    Digest::of_bytes(b"key")
}

#[test]
fn a_run_that_is_killed_is_told_by_its_events() {
    let (_folder, cache) = cache();
    let mut run = started(&cache, 9);
    let id = run.id.clone();
    for line in [
        json!({ "at": 0.1, "event": "run_started", "pipeline": "p", "nodes": 3 }),
        json!({ "at": 0.2, "event": "node_cached", "node": "a", "kind": "k", "rows": 7, "key": key() }),
        json!({ "at": 0.5, "event": "node_started", "node": "b", "kind": "k", "why": "new" }),
        json!({ "at": 0.6, "event": "node", "node": "b", "what": "worker", "name": "w", "version": "1",
                "device": "cpu", "process": 77 }),
        json!({ "at": 0.7, "event": "node", "node": "b", "what": "progress", "done": 1, "total": 2 }),
        json!({ "at": 1.5, "event": "chunk", "node": "b", "chunk": 0, "chunks": 9, "rows": 4, "computed": 4 }),
        json!({ "at": 4.5, "event": "chunk", "node": "b", "chunk": 1, "chunks": 9, "rows": 4, "computed": 4 }),
    ] {
        run.append(&line.to_string()).unwrap();
    }
    run.events.write_all(b"{\"at\": 5.0, \"eve").unwrap();
    assert_eq!(cache.run(&id).unwrap().state, RunState::Running);
    drop(run);
    let record = cache.run(&id).unwrap();
    assert_eq!((record.state, record.seconds), (RunState::Died, 4.5));
    let (a, b) = (&record.nodes["a"], &record.nodes["b"]);
    assert_eq!(
        (a.state, a.key, a.rows),
        (NodeState::Cached, Some(key()), 7)
    );
    assert_eq!(
        (b.state, b.key, b.why.as_str()),
        (NodeState::Started, None, "new")
    );
    assert_eq!((b.chunks.count, b.chunks.slowest), (2, 3.0));
    assert_eq!(b.chunks.each, [1.0, 3.0]);
    assert_eq!((record.workers.len(), record.workers[0].process), (1, 77));
}

#[test]
fn how_a_run_ended_is_told_by_its_last_event() {
    let done = |failed: u32, cancelled: bool| {
        let mut record = account("id");
        record.add(
            &json!({ "at": 9.0, "event": "run_done", "ran": 1, "cached": 0, "failed": failed,
                            "skipped": 0, "cancelled": cancelled, "seconds": 8.5 }),
        );
        assert!((record.seconds - 8.5).abs() < 1e-9);
        record.state
    };
    assert_eq!(done(0, false), RunState::Done);
    assert_eq!(done(2, false), RunState::Failed);
    assert_eq!(done(0, true), RunState::Interrupted);
}

#[test]
fn nodes_and_outputs_are_counted() {
    let mut record = account("id");
    for event in [
        json!({ "at": 0.0, "event": "node_started", "node": "z", "kind": "k", "why": "new", "more": 1 }),
        json!({ "at": 2.0, "event": "node_done", "node": "z", "kind": "k", "rows": 5, "computed": 3,
                "quarantined": 1, "seconds": 1.75, "key": key() }),
        json!({ "at": 2.0, "event": "node_started", "node": "a", "kind": "k", "why": "forced" }),
        json!({ "at": 3.0, "event": "node_failed", "node": "a", "kind": "k", "message": "no", "help": null }),
        json!({ "at": 3.0, "event": "node_skipped", "node": "b", "because": "a" }),
        json!({ "at": 3.0, "event": "something_of_tomorrow", "node": "b" }),
        json!({ "at": 3.5, "event": "output_written", "path": "/o", "rows": 5 }),
        json!({ "at": 3.5, "event": "output_failed", "path": "/q", "message": "full", "help": "" }),
    ] {
        record.add(&event);
    }
    let names: Vec<&str> = record.nodes_in_order().iter().map(|(n, _)| *n).collect();
    assert_eq!(names, ["z", "a", "b"]);
    let z = &record.nodes["z"];
    assert_eq!(
        (z.rows, z.computed, z.quarantined, z.key),
        (5, 3, 1, Some(key()))
    );
    let a = &record.nodes["a"];
    assert_eq!(
        (a.state, a.seconds, a.message.as_deref()),
        (NodeState::Failed, 1.0, Some("no"))
    );
    assert_eq!(record.count(NodeState::Skipped), 1);
    let written: Vec<_> = record
        .outputs
        .iter()
        .map(|o| (o.written, o.failure.as_deref()))
        .collect();
    assert_eq!(written, [(true, None), (false, Some("full"))]);
}

#[test]
fn the_newest_stay_and_those_that_go_on() {
    let (_folder, cache) = cache();
    let going_on = started(&cache, 3);
    let ids: Vec<String> = (0..6).map(|_| started(&cache, 3).id).collect();
    let left: Vec<String> = cache.runs().into_iter().map(|r| r.id).collect();
    assert_eq!(
        left,
        [&ids[5], &ids[4], &ids[3], &going_on.id].map(Clone::clone)
    );
    drop(going_on);
    let last = started(&cache, 1).id;
    assert_eq!(cache.run_ids(), [last]);
}

#[test]
fn what_cannot_be_read_is_passed_over() {
    let (_folder, cache) = cache();
    let whole = started(&cache, 9);
    let cut = started(&cache, 9);
    fs::write(cut.path.join(ACCOUNT), "{\"id\":").unwrap();
    fs::write(cache.root().join("runs/a file"), "").unwrap();
    let ids: Vec<String> = cache.runs().into_iter().map(|r| r.id).collect();
    assert_eq!(ids, [whole.id]);
    assert_eq!(cache.run_ids().len(), 2);
    assert!(cache.run_pipeline(&cut.id).is_none());
}

#[test]
fn names_sort_by_time() {
    let (first, second) = (new_id(), {
        std::thread::sleep(std::time::Duration::from_millis(3));
        new_id()
    });
    assert!(first < second, "{first} {second}");
    let moment = UNIX_EPOCH + std::time::Duration::from_millis(1_795_515_330_042);
    assert_eq!(utc(moment, "%Y%m%dT%H%M%S%.3fZ"), "20261124T101530.042Z");
}
