//! What is put is found again: by this process, by others, after a crash, beside damage.

use super::*;

fn question(number: u32) -> Digest {
    Digest::of_bytes(&number.to_le_bytes())
}

fn some(numbers: std::ops::Range<u32>) -> Vec<(Digest, String)> {
    numbers
        .map(|n| (question(n), format!("{{\"answer\": \"{n} é\"}}")))
        .collect()
}

fn holds(store: &AnswerStore, numbers: std::ops::Range<u32>) {
    for (question, answer) in some(numbers) {
        assert_eq!(store.get(question).unwrap(), Some(answer));
    }
}

fn only_log(folder: &Path) -> PathBuf {
    let mut all = logs(&folder.join("answers")).unwrap();
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[test]
fn answers_are_there_for_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = AnswerStore::new(folder.path());
    assert_eq!(store.get(question(0)).unwrap(), None);
    store.put(&some(0..5)).unwrap();
    store.put(&some(5..7)).unwrap();
    holds(&store, 0..7);
    drop(store);
    let next = AnswerStore::new(folder.path());
    holds(&next, 0..7);
    next.put(&some(7..9)).unwrap();
    drop(next);
    holds(&AnswerStore::new(folder.path()), 0..9);
    only_log(folder.path());
}

#[test]
fn processes_share_and_do_not_write_into_each_others_files() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (
        AnswerStore::new(folder.path()),
        AnswerStore::new(folder.path()),
    );
    one.put(&some(0..3)).unwrap();
    two.put(&some(3..6)).unwrap();
    one.put(&some(6..8)).unwrap();
    assert_eq!(logs(&folder.path().join("answers")).unwrap().len(), 2);
    one.refresh().unwrap();
    two.refresh().unwrap();
    holds(&one, 0..8);
    holds(&two, 0..8);
}

#[test]
fn a_cut_line_counts_as_not_there_and_does_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    AnswerStore::new(folder.path()).put(&some(0..3)).unwrap();
    let path = only_log(folder.path());
    let whole = fs::read(&path).unwrap();
    let third = whole.len() / 3 * 2;
    for cut in (third + 1..whole.len() - 1).step_by(23) {
        fs::write(&path, &whole[..cut]).unwrap();
        let store = AnswerStore::new(folder.path());
        holds(&store, 0..2);
        assert_eq!(store.get(question(2)).unwrap(), None, "cut at {cut}");
        store.put(&some(3..5)).unwrap();
        drop(store);
        let store = AnswerStore::new(folder.path());
        holds(&store, 0..2);
        holds(&store, 3..5);
        assert_eq!(store.get(question(2)).unwrap(), None);
    }
}

#[test]
fn a_damaged_line_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    AnswerStore::new(folder.path()).put(&some(0..3)).unwrap();
    let path = only_log(folder.path());
    let whole = fs::read(&path).unwrap();
    let second = whole.len() / 3..whole.len() / 3 * 2 - 1;
    for byte in second.step_by(7) {
        let mut bytes = whole.clone();
        bytes[byte] ^= 4;
        fs::write(&path, &bytes).unwrap();
        let store = AnswerStore::new(folder.path());
        let found = [0, 1, 2].map(|n| store.get(question(n)).unwrap().is_some());
        assert_eq!(found, [true, false, true], "byte {byte}");
        assert_eq!(count(&path).unwrap().1, 1);
    }
}

#[test]
fn lines_stay_lines() {
    let folder = tempfile::tempdir().unwrap();
    let store = AnswerStore::new(folder.path());
    store.put(&[(question(1), "a\nb\r\nc".into())]).unwrap();
    assert_eq!(store.get(question(1)).unwrap().unwrap(), "a b  c");
    assert_eq!(count(&only_log(folder.path())).unwrap(), (1, 0));
}
