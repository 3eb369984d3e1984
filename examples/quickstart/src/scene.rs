//! What a picture shows: coloured shapes in the cells of a 3 x 3 grid, or one big shape.

use crate::rng::Rng;

/// Side of every picture, in pixels.
pub(crate) const SIDE: u32 = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Circle,
    Square,
    Triangle,
    Cross,
    Ring,
}

impl Form {
    pub(crate) const ALL: [Self; 5] = [
        Self::Circle,
        Self::Square,
        Self::Triangle,
        Self::Cross,
        Self::Ring,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Circle => "circle",
            Self::Square => "square",
            Self::Triangle => "triangle",
            Self::Cross => "cross",
            Self::Ring => "ring",
        }
    }

    pub(crate) fn plural(self) -> &'static str {
        match self {
            Self::Circle => "circles",
            Self::Square => "squares",
            Self::Triangle => "triangles",
            Self::Cross => "crosses",
            Self::Ring => "rings",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Colour {
    pub(crate) name: &'static str,
    pub(crate) rgb: [u8; 3],
}

pub(crate) const COLOURS: [Colour; 8] = [
    Colour {
        name: "red",
        rgb: [214, 40, 40],
    },
    Colour {
        name: "green",
        rgb: [40, 150, 60],
    },
    Colour {
        name: "blue",
        rgb: [40, 80, 210],
    },
    Colour {
        name: "yellow",
        rgb: [245, 210, 40],
    },
    Colour {
        name: "purple",
        rgb: [140, 50, 170],
    },
    Colour {
        name: "orange",
        rgb: [245, 130, 30],
    },
    Colour {
        name: "black",
        rgb: [20, 20, 20],
    },
    Colour {
        name: "white",
        rgb: [255, 255, 255],
    },
];

/// Pale, so that every colour of a shape stands out.
const BACKGROUNDS: [[u8; 3]; 4] = [
    [176, 180, 184],
    [204, 190, 164],
    [160, 186, 200],
    [186, 204, 172],
];

#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) form: Form,
    pub(crate) colour: Colour,
    /// Row and column of the grid, 0..3 each; (1, 1) for the one big shape.
    pub(crate) cell: (u8, u8),
    /// Centre (x, y) and radius in pixels.
    pub(crate) centre: (i32, i32),
    pub(crate) radius: i32,
}

/// Shapes in reading order (row, then column); no two of them share both colour and form.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    pub(crate) background: [u8; 3],
    pub(crate) shapes: Vec<Shape>,
}

impl Scene {
    /// One shape that fills most of the picture.
    pub(crate) fn one_big(rng: &mut Rng) -> Self {
        let shape = Shape {
            form: Form::ALL[rng.below(Form::ALL.len())],
            colour: COLOURS[rng.below(COLOURS.len())],
            cell: (1, 1),
            centre: (rng.between(28, 36), rng.between(28, 36)),
            radius: rng.between(18, 24),
        };
        Self {
            background: background(rng),
            shapes: vec![shape],
        }
    }

    /// `count` small shapes (at most nine) of `forms` forms and `colours` colours, each in a cell of its own.
    pub(crate) fn grid(rng: &mut Rng, count: usize, forms: usize, colours: usize) -> Self {
        let forms = rng.sample(&Form::ALL, forms);
        let colours = rng.sample(&COLOURS, colours);
        let looks: Vec<(Form, Colour)> = forms
            .iter()
            .flat_map(|&f| colours.iter().map(move |&c| (f, c)))
            .collect();
        let looks = rng.sample(&looks, count);
        let mut cells: Vec<(u8, u8)> = (0..3)
            .flat_map(|row| (0..3).map(move |column| (row, column)))
            .collect();
        cells = rng.sample(&cells, looks.len());
        cells.sort_unstable();
        let shapes = looks
            .into_iter()
            .zip(cells)
            .map(|((form, colour), cell)| Shape {
                form,
                colour,
                cell,
                centre: (11 + 21 * i32::from(cell.1), 11 + 21 * i32::from(cell.0)),
                radius: rng.between(7, 9),
            });
        let shapes = shapes.collect();
        Self {
            background: background(rng),
            shapes,
        }
    }

    /// The same scene with every shape moved by at most a pixel: a near-duplicate.
    pub(crate) fn jittered(&self, rng: &mut Rng) -> Self {
        let mut scene = self.clone();
        for shape in &mut scene.shapes {
            shape.centre.0 += rng.between(-1, 1);
            shape.centre.1 += rng.between(-1, 1);
        }
        scene
    }

    /// The same places, every colour and every form another one: what a wrong answer describes.
    pub(crate) fn contradicted(&self, rng: &mut Rng) -> Self {
        let mut scene = self.clone();
        let colour_step = 1 + rng.below(COLOURS.len() - 1);
        let form_step = 1 + rng.below(Form::ALL.len() - 1);
        for shape in &mut scene.shapes {
            shape.colour = next(&COLOURS, shape.colour, colour_step);
            shape.form = next(&Form::ALL, shape.form, form_step);
        }
        scene
    }
}

fn background(rng: &mut Rng) -> [u8; 3] {
    BACKGROUNDS[rng.below(BACKGROUNDS.len())]
}

/// The item `step` places after `item`, around the end.
fn next<T: Copy + PartialEq>(items: &[T], item: T, step: usize) -> T {
    let place = items.iter().position(|&other| other == item).unwrap_or(0);
    items[(place + step) % items.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_has_shapes_in_reading_order_that_all_look_different() {
        for purpose in 0..200 {
            let scene = Scene::grid(&mut Rng::stream(7, purpose), 7, 3, 4);
            assert_eq!(scene.shapes.len(), 7);
            assert!(scene.shapes.is_sorted_by(|a, b| a.cell < b.cell));
            for (i, a) in scene.shapes.iter().enumerate() {
                assert!(
                    scene.shapes[..i]
                        .iter()
                        .all(|b| (a.form, a.colour) != (b.form, b.colour))
                );
            }
        }
    }

    #[test]
    fn a_contradiction_leaves_no_colour_and_no_form_as_it_was() {
        for purpose in 0..200 {
            let mut rng = Rng::stream(8, purpose);
            let scene = Scene::grid(&mut rng, 3, 3, 3);
            let other = scene.contradicted(&mut rng);
            let pairs = scene.shapes.iter().zip(&other.shapes);
            assert!(
                pairs
                    .clone()
                    .all(|(a, b)| a.form != b.form && a.colour != b.colour && a.cell == b.cell)
            );
        }
    }
}
