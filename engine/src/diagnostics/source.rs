//! Source texts and places in them.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

/// A text that values come from: a pipeline file, or a word of the command line.
pub struct Source {
    name: String,
    text: String,
    folder: PathBuf,
}

impl Source {
    /// `folder` is what relative paths in the text are relative to.
    pub fn new(
        name: impl Into<String>,
        text: impl Into<String>,
        folder: impl Into<PathBuf>,
    ) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            text: text.into(),
            folder: folder.into(),
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl SourceCode for Source {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let inner = self.text.read_span(span, before, after)?;
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone(),
            inner.data(),
            *inner.span(),
            inner.line(),
            inner.column(),
            inner.line_count(),
        )))
    }
}

/// A byte range of a source.
#[derive(Clone)]
pub struct Place {
    pub source: Arc<Source>,
    pub range: Range<usize>,
}

impl Place {
    pub fn new(source: Arc<Source>, range: Range<usize>) -> Self {
        Self { source, range }
    }

    pub fn span(&self) -> SourceSpan {
        (self.range.start, self.range.end - self.range.start).into()
    }

    pub fn text(&self) -> &str {
        self.source.text().get(self.range.clone()).unwrap_or("")
    }

    /// 1-based.
    pub fn line(&self) -> usize {
        let before = self.source.text().get(..self.range.start).unwrap_or("");
        1 + before.matches('\n').count()
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source.name, self.line())
    }
}

/// A value that knows where it was written.
#[derive(Clone, Debug)]
pub struct Spanned<T> {
    pub value: T,
    pub place: Place,
}

impl<T> Spanned<T> {
    pub fn new(value: T, place: Place) -> Self {
        Self { value, place }
    }
}
