//! Scene -> questions and answers, in a small closed vocabulary.

use crate::rng::Rng;
use crate::scene::{COLOURS, Form, Scene, Shape};

/// One question and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) question: String,
    pub(crate) answer: String,
}

fn turn(question: impl Into<String>, answer: impl Into<String>) -> Turn {
    Turn {
        question: question.into(),
        answer: answer.into(),
    }
}

/// One short question about the one shape; `told` is the scene that the answer describes.
pub(crate) fn about_one(rng: &mut Rng, told: &Shape) -> Turn {
    match rng.below(3) {
        0 => turn(
            "Which shape is this?",
            format!("It is a {}.", told.form.name()),
        ),
        _ => turn("What colour is it?", format!("It is {}.", told.colour.name)),
    }
}

/// Everything in the picture, in reading order.
pub(crate) fn describe(told: &Scene) -> Turn {
    let names: Vec<String> = told.shapes.iter().map(with_article).collect();
    turn("What is in the picture?", sentence(&list(&names)))
}

/// Where one of the shapes is.
pub(crate) fn place(rng: &mut Rng, scene: &Scene) -> Turn {
    let shape = &scene.shapes[rng.below(scene.shapes.len())];
    let name = name(shape);
    turn(
        format!("Where is the {name}?"),
        format!("The {name} is {}.", place_name(shape.cell)),
    )
}

/// How many shapes there are of a form or of a colour, none included.
pub(crate) fn count(rng: &mut Rng, scene: &Scene) -> Turn {
    if rng.below(2) == 0 {
        let form = Form::ALL[rng.below(Form::ALL.len())];
        let found = scene
            .shapes
            .iter()
            .filter(|shape| shape.form == form)
            .count();
        return turn(
            format!("How many {} are there?", form.plural()),
            there_are(found, form.name(), form.plural()),
        );
    }
    let colour = COLOURS[rng.below(COLOURS.len())];
    let found = scene
        .shapes
        .iter()
        .filter(|shape| shape.colour == colour)
        .count();
    let (one, many) = (
        format!("{} shape", colour.name),
        format!("{} shapes", colour.name),
    );
    turn(
        format!("How many {many} are there?"),
        there_are(found, &one, &many),
    )
}

/// What stands beside, above or below a shape, when some two shapes stand in adjacent cells.
pub(crate) fn neighbour(rng: &mut Rng, scene: &Scene) -> Option<Turn> {
    let steps = [
        ("to the right of", 0, 1),
        ("to the left of", 0, -1),
        ("above", -1, 0),
        ("below", 1, 0),
    ];
    let mut pairs = Vec::new();
    for shape in &scene.shapes {
        for (words, down, right) in steps {
            let cell = (
                i32::from(shape.cell.0) + down,
                i32::from(shape.cell.1) + right,
            );
            let there = scene
                .shapes
                .iter()
                .find(|other| (i32::from(other.cell.0), i32::from(other.cell.1)) == cell);
            pairs.extend(there.map(|other| (words, shape, other)));
        }
    }
    let (words, shape, other) = *pairs.get(rng.below(pairs.len()))?;
    let answer = format!("{} is {words} the {}.", with_article(other), name(shape));
    Some(turn(
        format!("What is {words} the {}?", name(shape)),
        sentence(answer.trim_end_matches('.')),
    ))
}

/// A question that needs no picture; `which` runs through all of them.
pub(crate) fn without_picture(which: usize) -> Turn {
    const MIXES: [(&str, &str, &str); 2] = [("red", "yellow", "orange"), ("red", "blue", "purple")];
    const SIDES: [(&str, usize); 2] = [("triangle", 3), ("square", 4)];
    match which % 6 {
        n @ 0..2 => {
            let (a, b, mixed) = MIXES[n];
            let question = format!("What colour is {a} and {b} together?");
            turn(
                question,
                format!("{} and {b} together is {mixed}.", capital(a)),
            )
        }
        n @ 2..4 => {
            let (form, sides) = SIDES[n - 2];
            turn(
                format!("How many sides are there in a {form}?"),
                format!("There are {} sides.", NUMBERS[sides]),
            )
        }
        4 => turn("Which shape is a circle in a circle?", "It is a ring."),
        _ => turn(
            "How many sides are there in a circle?",
            "There are no sides.",
        ),
    }
}

const NUMBERS: [&str; 10] = [
    "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
];

fn there_are(found: usize, one: &str, many: &str) -> String {
    match found {
        1 => format!("There is one {one}."),
        n => format!("There are {} {many}.", NUMBERS[n.min(9)]),
    }
}

fn place_name((row, column): (u8, u8)) -> &'static str {
    const NAMES: [[&str; 3]; 3] = [
        ["at the top left", "at the top", "at the top right"],
        ["on the left", "in the middle", "on the right"],
        ["at the bottom left", "at the bottom", "at the bottom right"],
    ];
    NAMES[usize::from(row)][usize::from(column)]
}

fn name(shape: &Shape) -> String {
    format!("{} {}", shape.colour.name, shape.form.name())
}

fn with_article(shape: &Shape) -> String {
    let article = if shape.colour.name.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {}", name(shape))
}

/// "a", "a and b", "a, b and c".
fn list(names: &[String]) -> String {
    match names {
        [] => "nothing".to_owned(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

fn sentence(words: &str) -> String {
    format!("{}.", capital(words))
}

fn capital(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene() -> Scene {
        let shape = |form, colour: usize, cell| Shape {
            form,
            colour: COLOURS[colour],
            cell,
            centre: (0, 0),
            radius: 8,
        };
        let shapes = vec![
            shape(Form::Circle, 0, (0, 0)),
            shape(Form::Circle, 5, (0, 1)),
            shape(Form::Ring, 0, (2, 2)),
        ];
        Scene {
            background: [0; 3],
            shapes,
        }
    }

    #[test]
    fn a_description_lists_the_shapes_in_reading_order() {
        assert_eq!(
            describe(&scene()).answer,
            "A red circle, an orange circle and a red ring."
        );
    }

    #[test]
    fn counts_are_those_of_the_scene() {
        let mut rng = Rng::stream(1, 1);
        let all: Vec<Turn> = (0..300).map(|_| count(&mut rng, &scene())).collect();
        assert!(all.contains(&turn(
            "How many circles are there?",
            "There are two circles."
        )));
        assert!(all.contains(&turn("How many rings are there?", "There is one ring.")));
        assert!(all.contains(&turn(
            "How many red shapes are there?",
            "There are two red shapes."
        )));
        assert!(all.contains(&turn(
            "How many squares are there?",
            "There are no squares."
        )));
    }

    #[test]
    fn neighbours_share_a_side() {
        let mut rng = Rng::stream(1, 2);
        let all: Vec<Turn> = (0..50)
            .filter_map(|_| neighbour(&mut rng, &scene()))
            .collect();
        let right = turn(
            "What is to the right of the red circle?",
            "An orange circle is to the right of the red circle.",
        );
        let left = turn(
            "What is to the left of the orange circle?",
            "A red circle is to the left of the orange circle.",
        );
        assert!(all.contains(&right) && all.contains(&left));
        assert!(all.iter().all(|t| *t == right || *t == left));
    }
}
