//! A problem: what is wrong, where, and what to do. Rendered by miette.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use miette::{Diagnostic, LabeledSpan, SourceCode};

use super::Place;

pub use miette::Severity;

/// One fault or warning. `code` is `phase::cause`, stable and searchable.
#[derive(Clone, Debug)]
pub struct Problem {
    pub code: &'static str,
    pub message: String,
    severity: Severity,
    labels: Vec<(Place, String)>,
    help: Option<String>,
    elsewhere: Vec<Problem>,
}

impl Problem {
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            severity: Severity::Error,
            labels: Vec::new(),
            help: None,
            elsewhere: Vec::new(),
        }
    }

    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, message)
        }
    }

    /// Underlines `place`; the first place gives the source that is shown.
    #[must_use]
    pub fn at(mut self, place: &Place, label: impl Into<String>) -> Self {
        let label = label.into();
        match self.labels.first() {
            Some((first, _)) if first.source.name() != place.source.name() => {
                let note = Self {
                    severity: Severity::Advice,
                    ..Self::error(self.code, label.clone())
                };
                self.elsewhere.push(note.at(place, ""));
            }
            _ => self.labels.push((place.clone(), label)),
        }
        self
    }

    /// Shows the first place of another problem too, with its words.
    #[must_use]
    pub fn and_at(self, other: &Self) -> Self {
        match other.labels.first() {
            Some((place, label)) => self.at(place, label.clone()),
            None => self,
        }
    }

    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    #[must_use]
    pub fn maybe_help(self, help: Option<String>) -> Self {
        match help {
            Some(help) => self.help(help),
            None => self,
        }
    }

    /// The same finding, where it stops the run instead of being a remark.
    #[must_use]
    pub fn into_error(self) -> Self {
        Self {
            severity: Severity::Error,
            ..self
        }
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    pub fn help_text(&self) -> Option<&str> {
        self.help.as_deref()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.code))
    }

    fn severity(&self) -> Option<Severity> {
        Some(self.severity)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help
            .as_ref()
            .map(|h| Box::new(h) as Box<dyn fmt::Display + 'a>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.labels
            .first()
            .map(|(place, _)| place.source.as_ref() as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        if self.labels.is_empty() {
            return None;
        }
        Some(Box::new(self.labels.iter().map(|(place, label)| {
            let text = (!label.is_empty()).then(|| label.clone());
            LabeledSpan::new_with_span(text, place.span())
        })))
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        if self.elsewhere.is_empty() {
            return None;
        }
        Some(Box::new(
            self.elsewhere.iter().map(|p| p as &dyn Diagnostic),
        ))
    }
}

/// All that was found, errors and warnings, file by file in the order of each.
#[derive(Clone, Debug, Default)]
pub struct Problems(Vec<Problem>);

impl Problems {
    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub fn has_errors(&self) -> bool {
        self.0.iter().any(Problem::is_error)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sorted by place, so that a reader meets them as in the file. What several nodes meet at one
    /// place (a parameter that they share) is said once.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        fn place(p: &Problem) -> (&str, Range<usize>) {
            p.labels.first().map_or(("", 0..0), |(place, _)| {
                (place.source.name(), place.range.clone())
            })
        }
        let start = |p: &Problem| place(p).1.start;
        self.0.sort_by(|a, b| {
            let by_file = place(a).0.cmp(place(b).0);
            by_file.then_with(|| start(a).cmp(&start(b)))
        });
        let mut said = HashSet::new();
        self.0.retain(|p| {
            let (file, range) = place(p);
            let words = (p.message.clone(), p.help.clone());
            said.insert((file.to_owned(), range, words))
        });
        self
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Problems {
    type Item = Problem;
    type IntoIter = std::vec::IntoIter<Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
