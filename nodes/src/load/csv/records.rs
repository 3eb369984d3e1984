//! The records of a CSV file (RFC 4180), with the lines on which they begin.
//!
//! More strict than most readers: what stands behind a closing quote, and a quote that is never closed, are faults. Other
//! readers take the rest of a file that is cut off within quotes for a field.

use std::ops::Range;

use super::super::open::{self, Opened};

/// What is wrong, and where (from 1).
#[derive(Debug, PartialEq)]
pub(super) struct Fault {
    pub(super) line: u64,
    pub(super) reason: String,
}

pub(super) struct Records {
    from: Opened,
    /// The line that is read next.
    line: u64,
    /// The record as it stands in the file.
    text: Vec<u8>,
    /// Its fields without their quotes, one behind the other.
    values: String,
    fields: Vec<Range<usize>>,
}

impl Records {
    pub(super) fn new(from: Opened) -> Self {
        Self {
            from,
            line: 1,
            text: Vec::new(),
            values: String::new(),
            fields: Vec::new(),
        }
    }

    /// Goes to the next record that is no empty line; the line on which it begins, none at the end of the file.
    pub(super) fn next(&mut self) -> Result<Option<u64>, Fault> {
        loop {
            let begin = self.line;
            self.text.clear();
            if !self.read_line()? {
                self.fields.clear();
                return Ok(None);
            }
            if begin == 1 && self.text.starts_with(b"\xef\xbb\xbf") {
                self.text.drain(..3); // a byte order mark, as some editors write
            }
            if !without_end(&self.text).is_empty() {
                self.split(begin)?;
                return Ok(Some(begin));
            }
        }
    }

    pub(super) fn fields(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|range| &self.values[range.clone()])
    }

    /// The record as it stands in the file, without its line end.
    pub(super) fn text(&self) -> &[u8] {
        without_end(&self.text)
    }

    fn split(&mut self, begin: u64) -> Result<(), Fault> {
        let mut values = Vec::new();
        self.fields.clear();
        let mut at = 0;
        loop {
            let start = values.len();
            if self.text.get(at) == Some(&b'"') {
                at = self.quoted(at + 1, &mut values)?;
            } else {
                let rest = without_end(&self.text[at..]);
                let length = memchr::memchr(b',', rest).unwrap_or(rest.len());
                values.extend_from_slice(&rest[..length]);
                at += length;
            }
            self.fields.push(start..values.len());
            match self.text.get(at) {
                Some(b',') => at += 1,
                _ if without_end(&self.text[at..]).is_empty() => break,
                _ => {
                    let reason = "there is text behind a closing quote; a quote within quotes is written twice";
                    return Err(self.fault(reason));
                }
            }
        }
        // The record as a whole: a character cut by a comma would come together among the values.
        let whole = std::str::from_utf8(&self.text).ok();
        let values = whole.and_then(|_| String::from_utf8(values).ok());
        self.values = values.ok_or_else(|| Fault {
            line: begin,
            reason: "the record is not UTF-8".to_owned(),
        })?;
        Ok(())
    }

    /// Reads from behind a quote up to the one that closes it, over as many lines as there are; the place behind it.
    fn quoted(&mut self, mut at: usize, values: &mut Vec<u8>) -> Result<usize, Fault> {
        let opened = self.line - 1;
        loop {
            match memchr::memchr(b'"', &self.text[at..]) {
                Some(length) => {
                    values.extend_from_slice(&self.text[at..at + length]);
                    at += length + 1;
                    if self.text.get(at) != Some(&b'"') {
                        return Ok(at);
                    }
                    values.push(b'"');
                    at += 1;
                }
                None => {
                    values.extend_from_slice(&self.text[at..]);
                    at = self.text.len();
                    if !self.read_line()? {
                        return Err(Fault {
                            line: opened,
                            reason: "a quote is opened here and not closed; is the file cut off?"
                                .to_owned(),
                        });
                    }
                }
            }
        }
    }

    /// Appends a line to the text; false at the end of the file.
    fn read_line(&mut self) -> Result<bool, Fault> {
        let read = open::read_line(&mut self.from, &mut self.text).map_err(|e| Fault {
            line: self.line,
            reason: e.to_string(),
        })?;
        self.line += 1;
        Ok(read > 0)
    }

    /// On the line that was read last.
    fn fault(&self, reason: &str) -> Fault {
        Fault {
            line: self.line - 1,
            reason: reason.to_owned(),
        }
    }
}

fn without_end(text: &[u8]) -> &[u8] {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    text.strip_suffix(b"\r").unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &[u8]) -> Result<Vec<(u64, Vec<String>)>, Fault> {
        let mut records = Records::new(Box::new(std::io::Cursor::new(text.to_vec())));
        let mut all = Vec::new();
        while let Some(line) = records.next()? {
            all.push((line, records.fields().map(str::to_owned).collect()));
        }
        Ok(all)
    }

    #[test]
    fn quotes_hold_commas_line_ends_and_quotes() {
        let text = "\u{feff}a,b\r\n1,\"x, \"\"y\"\"\r\n\nz\"\r\n\n \"q,\n,\n\"\",";
        let records = read(text.as_bytes()).unwrap();
        let expected: [(u64, &[&str]); 5] = [
            (1, &["a", "b"]),
            (2, &["1", "x, \"y\"\r\n\nz"]),
            (6, &[" \"q", ""]),
            (7, &["", ""]),
            (8, &["", ""]),
        ];
        assert_eq!(records.len(), expected.len());
        for ((line, fields), (expected_line, expected)) in records.iter().zip(expected) {
            assert_eq!(
                (*line, fields.as_slice()),
                (expected_line, expected.map_strings().as_slice())
            );
        }
        assert!(read(b"").unwrap().is_empty());
    }

    trait Strings {
        fn map_strings(&self) -> Vec<String>;
    }

    impl Strings for [&str] {
        fn map_strings(&self) -> Vec<String> {
            self.iter().map(|s| (*s).to_owned()).collect()
        }
    }

    #[test]
    fn faults_name_their_line() {
        for (text, line, words) in [
            (&b"a\n\"b\nc"[..], 2, "not closed"),
            (b"a\n\"b\nc\"d\n", 3, "behind a closing quote"),
            (b"a\nb\n\xff\n", 3, "not UTF-8"),
            (b"a,\xc3,\xa9", 1, "not UTF-8"),
        ] {
            let fault = read(text).unwrap_err();
            assert!(
                fault.line == line && fault.reason.contains(words),
                "{fault:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_quoted_comes_back(rows in prop::collection::vec(prop::collection::vec("[a,\"\r\n é]{0,6}", 3), 1..6)) {
            let line = |row: &Vec<String>| row.iter().map(|v| format!("\"{}\"", v.replace('"', "\"\""))).collect::<Vec<_>>().join(",");
            let text: Vec<String> = rows.iter().map(line).collect();
            let read: Vec<Vec<String>> = read(text.join("\n").as_bytes()).unwrap().into_iter().map(|r| r.1).collect();
            prop_assert_eq!(read, rows);
        }

        #[test]
        fn any_bytes_are_read_or_refused_without_panic(bytes in prop::collection::vec(prop::sample::select(b"a,\"\r\n\xc3\xa9".to_vec()), 0..40)) {
            let _ = read(&bytes);
        }
    }
}
