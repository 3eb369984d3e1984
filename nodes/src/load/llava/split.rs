//! Cuts a file into the texts of its records while it is read: a JSON array of any layout, or one JSON object per line.
//!
//! Only quotes, brackets and commas are looked at here; whether a text is a record is for the parser to say.

use std::io::{BufRead, ErrorKind};

use memchr::{memchr_iter, memchr2};

use crate::load::open;

/// Why the file cannot be cut into records.
#[derive(Debug)]
pub(crate) enum SplitError {
    Io(std::io::Error),
    /// The file has no byte but white space.
    Empty,
    /// The first byte begins neither an array nor an object.
    NotRecords {
        found: char,
    },
    /// The array is not ended, or goes on where it should not.
    Broken {
        line: u64,
        reason: String,
    },
}

/// The records of a reader.
pub(crate) struct Split<R> {
    reader: R,
    line: u64,
    layout: Layout,
}

#[derive(Clone, Copy, PartialEq)]
enum Layout {
    Unknown,
    /// Within an array; `first` until a record was read.
    Array {
        first: bool,
    },
    Lines,
    Ended,
}

impl<R: BufRead> Split<R> {
    pub(crate) fn new(reader: R) -> Split<R> {
        Split {
            reader,
            line: 1,
            layout: Layout::Unknown,
        }
    }

    /// Appends the next record's text; gives the line on which it begins, from 1, or none at the end of the file.
    pub(crate) fn next(&mut self, text: &mut Vec<u8>) -> Result<Option<u64>, SplitError> {
        if self.layout == Layout::Unknown {
            self.begin()?;
        }
        match self.layout {
            Layout::Array { first } => self.element(first, text),
            Layout::Lines => self.line(text),
            Layout::Unknown | Layout::Ended => Ok(None),
        }
    }

    fn begin(&mut self) -> Result<(), SplitError> {
        if self.fill()?.starts_with(b"\xef\xbb\xbf") {
            self.reader.consume(3); // a byte order mark, as some editors write
        }
        self.layout = match self.skip_space()? {
            None => return Err(SplitError::Empty),
            Some(b'[') => {
                self.reader.consume(1);
                Layout::Array { first: true }
            }
            Some(b'{') => Layout::Lines,
            Some(other) => {
                return Err(SplitError::NotRecords {
                    found: char::from(other),
                });
            }
        };
        Ok(())
    }

    /// One element of the array, with the comma before it.
    fn element(&mut self, first: bool, text: &mut Vec<u8>) -> Result<Option<u64>, SplitError> {
        match (self.skip_space()?, first) {
            (None, _) => {
                return Err(self.broken("the file ends before the array does; is it cut off?"));
            }
            (Some(b']'), _) => {
                self.reader.consume(1);
                self.layout = Layout::Ended;
                return match self.skip_space()? {
                    None => Ok(None),
                    Some(_) => Err(self.broken("there is more text behind the end of the array")),
                };
            }
            (Some(b','), false) => {
                self.reader.consume(1);
                match self.skip_space()? {
                    Some(b']' | b',') => {
                        return Err(self.broken("a comma is not followed by a record"));
                    }
                    None => {
                        return Err(
                            self.broken("the file ends before the array does; is it cut off?")
                        );
                    }
                    Some(_) => {}
                }
            }
            (Some(_), false) => {
                return Err(self.broken("a comma or the end of the array is expected"));
            }
            (Some(_), true) => {}
        }
        self.layout = Layout::Array { first: false };
        let line = self.line;
        let start = text.len();
        let mut scan = Scan::default();
        loop {
            let buffer = self.fill()?;
            if buffer.is_empty() {
                let within = scan.depth > 0 || scan.string;
                let place = if within {
                    "within this record"
                } else {
                    "before the array does"
                };
                return Err(SplitError::Broken {
                    line,
                    reason: format!("the file ends {place}; is it cut off?"),
                });
            }
            let end = scan.end(buffer);
            let taken = end.unwrap_or(buffer.len());
            if text.len() - start + taken > open::MOST_OF_A_RECORD {
                return Err(SplitError::Io(open::too_long()));
            }
            text.extend_from_slice(&buffer[..taken]);
            self.reader.consume(taken);
            if end.is_some() {
                self.line += newlines(&text[start..]);
                text.truncate(start + text[start..].trim_ascii_end().len());
                return Ok(Some(line));
            }
        }
    }

    /// One line that is not blank.
    fn line(&mut self, text: &mut Vec<u8>) -> Result<Option<u64>, SplitError> {
        if self.skip_space()?.is_none() {
            self.layout = Layout::Ended;
            return Ok(None);
        }
        let start = text.len();
        open::read_line(&mut self.reader, text).map_err(SplitError::Io)?;
        let line = self.line;
        self.line += newlines(&text[start..]);
        text.truncate(start + text[start..].trim_ascii_end().len());
        Ok(Some(line))
    }

    /// Goes to the next byte that is not white space and shows it.
    fn skip_space(&mut self) -> Result<Option<u8>, SplitError> {
        loop {
            let buffer = self.fill()?;
            if buffer.is_empty() {
                return Ok(None);
            }
            let space = buffer.len() - buffer.trim_ascii_start().len();
            let next = buffer.get(space).copied();
            let lines = newlines(&buffer[..space]);
            self.line += lines;
            self.reader.consume(space);
            if next.is_some() {
                return Ok(next);
            }
        }
    }

    fn fill(&mut self) -> Result<&[u8], SplitError> {
        loop {
            match self.reader.fill_buf() {
                Ok(_) => break,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(SplitError::Io(e)),
            }
        }
        // Filled above: this only borrows the buffer, which the loop cannot give back.
        self.reader.fill_buf().map_err(SplitError::Io)
    }

    fn broken(&self, reason: &str) -> SplitError {
        SplitError::Broken {
            line: self.line,
            reason: reason.to_string(),
        }
    }
}

/// Where in a JSON value a reader stands.
#[derive(Default)]
struct Scan {
    depth: usize,
    string: bool,
    escaped: bool,
}

impl Scan {
    /// Goes on through `bytes`; the place of the comma or bracket that ends the value, if it is there.
    fn end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if self.escaped {
                self.escaped = false;
            } else if self.string {
                // Most of a record lies within its strings, of which nothing else counts.
                at += memchr2(b'"', b'\\', &bytes[at..])?;
                self.escaped = bytes[at] == b'\\';
                self.string = self.escaped;
            } else {
                match byte {
                    b'"' => self.string = true,
                    b'{' | b'[' => self.depth += 1,
                    b',' | b']' if self.depth == 0 => return Some(at),
                    b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                    _ => {}
                }
            }
            at += 1;
        }
        None
    }
}

fn newlines(bytes: &[u8]) -> u64 {
    memchr_iter(b'\n', bytes).count() as u64
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    /// Reads with a buffer of every small size, so that cuts fall everywhere.
    fn split(text: &str) -> Result<Vec<(String, u64)>, String> {
        let mut results = Vec::new();
        for size in 1..20 {
            let mut split = Split::new(BufReader::with_capacity(size.max(3), text.as_bytes()));
            let (mut pieces, mut text) = (Vec::new(), Vec::new());
            results.push(loop {
                let start = text.len();
                match split.next(&mut text) {
                    Ok(Some(line)) => {
                        pieces.push((String::from_utf8(text[start..].to_vec()).unwrap(), line));
                    }
                    Ok(None) => break Ok(pieces),
                    Err(e) => break Err(format!("{e:?}")),
                }
            });
        }
        results.dedup();
        assert_eq!(results.len(), 1, "{results:?}");
        results.remove(0)
    }

    fn pieces(expected: &[(&str, u64)]) -> Vec<(String, u64)> {
        expected
            .iter()
            .map(|(text, line)| ((*text).to_string(), *line))
            .collect()
    }

    #[test]
    fn arrays_of_any_layout() {
        let text = "\u{feff}[ {\"a\": \"}],{\\\"\"} ,\n\n {\"b\":\n [1, {}]}\n,3]\n";
        let expected = [
            ("{\"a\": \"}],{\\\"\"}", 1),
            ("{\"b\":\n [1, {}]}", 3),
            ("3", 5),
        ];
        assert_eq!(split(text), Ok(pieces(&expected)));
        assert_eq!(split(" []\n"), Ok(pieces(&[])));
    }

    #[test]
    fn lines() {
        let expected = [("{\"a\": 1}", 2), ("{\"b\": \"x\"}", 4)];
        assert_eq!(
            split("\n{\"a\": 1}\r\n\n{\"b\": \"x\"}"),
            Ok(pieces(&expected))
        );
    }

    #[test]
    fn what_is_broken_is_told() {
        for (text, expected) in [
            ("", "Empty"),
            (" \n", "Empty"),
            ("id,image\n", "NotRecords { found: 'i' }"),
            (
                "[{\"a\": 1},\n{\"b\": 2",
                "line: 2, reason: \"the file ends within this record",
            ),
            ("[{\"a\": 1}\n", "the file ends before the array does"),
            ("[{\"a\": 1},\n", "the file ends before the array does"),
            ("[{},]", "a comma is not followed by a record"),
            ("[,{}]", "Ok"),
            ("[{}]]", "more text behind the end"),
            ("[{}] [{}]", "more text behind the end"),
        ] {
            let result = split(text);
            let told = result.as_ref().err().map_or("Ok", String::as_str);
            assert!(told.contains(expected), "{text}: {result:?}");
        }
    }
}
