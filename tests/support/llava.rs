//! Small LLaVA data: annotations and the images that they name.

use serde_json::{Value, json};

use super::Project;

/// One record: its image, if any, a question and an answer.
pub(crate) struct Record {
    pub(crate) image: Option<&'static str>,
    pub(crate) question: &'static str,
    pub(crate) answer: &'static str,
}

/// The smallest PNG: one grey pixel.
const PIXEL: &[u8] = &[
    137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0,
    0, 0, 58, 126, 155, 85, 0, 0, 0, 10, 73, 68, 65, 84, 120, 156, 99, 104, 0, 0, 0, 130, 0, 129,
    119, 205, 114, 182, 0, 0, 0, 0, 73, 69, 78, 68, 174, 66, 96, 130,
];

/// Writes `data.json` and `images/` into a project.
pub(crate) fn llava(project: &Project, records: &[Record]) {
    let annotations: Vec<Value> = records
        .iter()
        .enumerate()
        .map(|(number, record)| {
            let mut json = json!({ "id": format!("record-{number}") });
            let mut question = record.question.to_owned();
            if let Some(image) = record.image {
                project.file(&format!("images/{image}"), PIXEL);
                json["image"] = image.into();
                question = format!("<image>\n{question}");
            }
            json["conversations"] =
                json!([{ "from": "human", "value": question }, { "from": "gpt", "value": record.answer }]);
            json
        })
        .collect();
    project.file(
        "data.json",
        serde_json::to_vec_pretty(&annotations).expect("JSON"),
    );
}
