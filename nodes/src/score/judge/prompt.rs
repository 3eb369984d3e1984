//! The words of a question: a minijinja template over the columns of a row.

use minijinja::{Environment, Error, UndefinedBehavior};
use serde_json::{Map, Value as Json};

/// Asks for a mark of the whole sample, or for one of each dimension.
pub(super) const DEFAULT: &str = "\
Below is a sample of training data for a vision-language assistant: a conversation between a user and the assistant about
an image. Judge the assistant's answers: are they right, to the point, complete and clearly said?

{{ text }}

{% if dimensions %}Give the sample a number from 0 (worst) to 10 (best) for each of: {{ dimensions | join(\", \") }}.
Answer with one JSON object that has these names as its keys and the numbers as its values, and nothing else.
{%- else %}Answer with one number from 0 (worst) to 10 (best) on the first line, and nothing else on it.
{%- endif %}";

/// In scope beside the columns: the names of the dimensions.
const DIMENSIONS: &str = "dimensions";

/// The record as JSON; its fields are in scope as `raw.NAME`.
const RAW: &str = "raw";

const NAME: &str = "prompt";

/// A template that parses.
pub(super) struct Prompt {
    environment: Environment<'static>,
    /// The columns that it names.
    pub columns: Vec<String>,
    dimensions: Vec<String>,
}

impl Prompt {
    /// `Err` says what is wrong with the template, and where.
    pub(super) fn new(template: &str, dimensions: &[String]) -> Result<Self, String> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment
            .add_template_owned(NAME, template.to_owned())
            .map_err(|e| in_words(&e))?;
        let names = {
            let template = environment.get_template(NAME).map_err(|e| in_words(&e))?;
            template.undeclared_variables(false)
        };
        let known: Vec<&str> = environment.globals().map(|(name, _)| name).collect();
        let mut columns: Vec<String> = names
            .into_iter()
            .filter(|name| name != DIMENSIONS && !known.contains(&name.as_str()))
            .collect();
        columns.sort();
        Ok(Self {
            environment,
            columns,
            dimensions: dimensions.to_vec(),
        })
    }

    /// Whether all columns that the template names are null.
    pub(super) fn is_blank(&self, row: &Map<String, Json>) -> bool {
        let null = |name: &String| row.get(name).is_none_or(Json::is_null);
        self.columns.iter().all(null)
    }

    /// The words for a row, given as its columns.
    pub(super) fn render(&self, row: &Map<String, Json>) -> Result<String, String> {
        let mut scope = Map::new();
        for name in &self.columns {
            let value = row.get(name).cloned().unwrap_or_default();
            scope.insert(name.clone(), record(name, value));
        }
        scope.insert(DIMENSIONS.to_owned(), self.dimensions.clone().into());
        let template = self.environment.get_template(NAME);
        let rendered = template.and_then(|template| template.render(scope));
        rendered.map_err(|e| in_words(&e))
    }
}

/// `raw` holds the record's JSON as text.
fn record(name: &str, value: Json) -> Json {
    match &value {
        Json::String(text) if name == RAW => serde_json::from_str(text).unwrap_or(value),
        _ => value,
    }
}

fn in_words(error: &Error) -> String {
    let mut words = error
        .detail()
        .map_or_else(|| error.kind().to_string(), str::to_owned);
    if let Some(line) = error.line() {
        words += &format!(" (line {line} of the template)");
    }
    words
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rendered(template: &str, row: &Json) -> Result<String, String> {
        Prompt::new(template, &[])?.render(row.as_object().unwrap())
    }

    #[test]
    fn columns_and_fields_of_the_record_are_in_scope() {
        let row = json!({
            "text": "USER: hi",
            "score": 0.5,
            "conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}],
            "raw": "{\"meta\": {\"source\": \"coco\"}}",
        });
        let template = "{{ text }}|{{ score }}|{% for t in conversations %}{{ t.from }}={{ t.value }};{% endfor %}|{{ raw.meta.source }}";
        let words = rendered(template, &row).unwrap();
        assert_eq!(words, "USER: hi|0.5|human=a;gpt=b;|coco");
        let prompt = Prompt::new(template, &[]).unwrap();
        assert_eq!(prompt.columns, ["conversations", "raw", "score", "text"]);
    }

    #[test]
    fn names_of_its_own_are_no_columns() {
        let template = "{% set a = 1 %}{% for i in range(3) %}{{ i + a }}{{ loop.index }}{% endfor %}{{ text }}{{ dimensions }}";
        assert_eq!(Prompt::new(template, &[]).unwrap().columns, ["text"]);
    }

    #[test]
    fn the_default_asks_for_one_mark_or_several() {
        let row = json!({"text": "USER: a ASSISTANT: b"});
        let one = rendered(DEFAULT, &row).unwrap();
        assert!(
            one.contains("USER: a ASSISTANT: b") && one.contains("one number from 0"),
            "{one}"
        );
        let names = ["quality".to_owned(), "difficulty".to_owned()];
        let several = Prompt::new(DEFAULT, &names).unwrap();
        let several = several.render(row.as_object().unwrap()).unwrap();
        assert!(
            several.contains("each of: quality, difficulty.") && several.contains("JSON"),
            "{several}"
        );
    }

    #[test]
    fn a_row_is_blank_when_all_that_is_named_is_null() {
        let blank = |row: &Json| {
            let prompt = Prompt::new("{{ text }}{{ other }}", &[]).unwrap();
            prompt.is_blank(row.as_object().unwrap())
        };
        assert!(blank(&json!({"text": null, "other": null, "more": 1})));
        assert!(!blank(&json!({"text": "", "other": null})));
        let some = rendered(
            "{{ text }}|{{ other }}",
            &json!({"text": "a", "other": null}),
        );
        assert_eq!(some.unwrap(), "a|None");
    }

    #[test]
    fn faults_say_where_they_are() {
        let open = rendered("a\n{{ text", &json!({})).unwrap_err();
        assert!(open.contains("line 2"), "{open}");
        let deep = rendered("{{ raw.meta.source.x }}", &json!({"raw": "{\"meta\": {}}"}));
        assert!(
            deep.unwrap_err().contains("undefined"),
            "an undefined field"
        );
        let filter = rendered("{{ text | nosuch }}", &json!({"text": "a"})).unwrap_err();
        assert!(filter.contains("nosuch"), "{filter}");
    }
}
