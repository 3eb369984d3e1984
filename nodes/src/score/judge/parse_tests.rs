//! What counts as a mark.

use proptest::prelude::*;

use super::*;

#[test]
fn the_first_number_from_0_to_10() {
    let cases = [
        ("8", Some(8.0)),
        ("8 / 10", Some(8.0)),
        ("10/10", Some(10.0)),
        ("**8**", Some(8.0)),
        ("_8_", Some(8.0)),
        ("Score:9", Some(9.0)),
        ("Score = 7.5.", Some(7.5)),
        ("I would rate this a 7, since", Some(7.0)),
        ("\n\n4\n5", Some(4.0)),
        (".5", Some(0.5)),
        ("9.", Some(9.0)),
        ("(6)", Some(6.0)),
        ("6.5-7", Some(6.5)),
        ("７", Some(7.0)),
        ("٣ من ١٠", Some(3.0)),
        ("100 is the most, this is a 9", Some(9.0)),
        ("GPT-4 wrote a 3rd answer: 6", Some(6.0)),
        ("a 7B model: 5", Some(5.0)),
        ("-1", None),
        ("\u{2212}3", None),
        ("8,5", None),
        ("1.2.3", None),
        ("80%", None),
        ("8%", None),
        ("10.5", None),
        ("0x8", None),
        ("1e1", None),
        ("1_0", None),
        ("nan", None),
        ("N/A", None),
        ("", None),
    ];
    for (text, mark) in cases {
        assert_eq!(number(text), mark, "{text:?}");
    }
}

#[test]
fn the_published_way() {
    let cases = [
        ("7", Some(7.0)),
        ("8 out of 10", Some(10.0)),
        ("  9  \n", Some(9.0)),
        ("\n\n\n4\n5", Some(4.0)),
        ("Overall score: 2.25\r\nok", Some(2.25)),
        ("The score is 8.5/10 because 1/2", Some(8.5)),
        ("10.5", Some(10.5)),
        ("-1", Some(-1.0)),
        ("+7", Some(7.0)),
        ("1e1", Some(10.0)),
        ("1_0", Some(10.0)),
        ("1__0", None),
        ("_1", None),
        ("8\u{a0}", Some(8.0)),
        ("٣", Some(3.0)),
        ("7 8 9/10", Some(9.0)),
        ("5/", Some(5.0)),
        ("/5", None),
        ("8 / 10", None),
        ("**8**", None),
        ("Rating:8", None),
        ("8,5", None),
        ("0x8", None),
        ("a 8\tb", None),
        ("nan", None),
        ("Score: Infinity", None),
        ("-inf", None),
        ("1e999", None),
        ("", None),
    ];
    for (text, mark) in cases {
        assert_eq!(first_word(text), mark, "{text:?}");
    }
}

proptest! {
    #[test]
    fn no_text_panics_and_marks_are_marks(text in ".*") {
        prop_assert!(number(&text).is_none_or(|value| MARKS.contains(&value)));
        prop_assert!(first_word(&text).is_none_or(f64::is_finite));
    }

    #[test]
    fn a_mark_among_words_is_found(tenths in 0..=100_u32, before in "[ :*(\n]{0,5}", after in "[ */)\n]{0,5}") {
        let mark = f64::from(tenths) / 10.0;
        prop_assert_eq!(number(&format!("{before}{mark}{after}")), Some(mark));
    }
}
