//! Scene -> PNG. Integer geometry without smoothing, so that the pixels are the same on every machine.

use std::io;

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

use crate::scene::{Form, SIDE, Scene, Shape};

/// The picture as a PNG file: RGB, 8 bits, 64 x 64.
///
/// `Fast` is the one compression level that goes by fdeflate. The others go by flate2, whose inner library, and with it
/// the bytes, depends on which other crates are built along.
pub(crate) fn png(scene: &Scene) -> io::Result<Vec<u8>> {
    let mut file = Vec::new();
    PngEncoder::new_with_quality(&mut file, CompressionType::Fast, FilterType::Paeth)
        .write_image(&pixels(scene), SIDE, SIDE, ExtendedColorType::Rgb8)
        .map_err(io::Error::other)?;
    Ok(file)
}

/// Row-major RGB bytes, SIDE x SIDE x 3.
fn pixels(scene: &Scene) -> Vec<u8> {
    let side = SIDE as i32;
    let points = (0..side).flat_map(|y| (0..side).map(move |x| (x, y)));
    points
        .flat_map(|point| {
            let shape = scene.shapes.iter().rev().find(|shape| covers(shape, point));
            shape.map_or(scene.background, |shape| shape.colour.rgb)
        })
        .collect()
}

fn covers(shape: &Shape, (x, y): (i32, i32)) -> bool {
    let (dx, dy, r) = (x - shape.centre.0, y - shape.centre.1, shape.radius);
    let square_distance = dx * dx + dy * dy;
    match shape.form {
        Form::Circle => square_distance <= r * r,
        Form::Ring => square_distance <= r * r && 4 * square_distance >= r * r,
        Form::Square => dx.abs().max(dy.abs()) <= r * 7 / 8,
        Form::Triangle => dy.abs() <= r && 2 * dx.abs() <= dy + r,
        Form::Cross => dx.abs().max(dy.abs()) <= r && dx.abs().min(dy.abs()) <= r / 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::COLOURS;

    fn scene(form: Form) -> Scene {
        let shape = Shape {
            form,
            colour: COLOURS[0],
            cell: (1, 1),
            centre: (32, 32),
            radius: 20,
        };
        Scene {
            background: [9, 9, 9],
            shapes: vec![shape],
        }
    }

    fn painted(form: Form) -> usize {
        pixels(&scene(form))
            .chunks(3)
            .filter(|pixel| *pixel == COLOURS[0].rgb)
            .count()
    }

    #[test]
    fn areas_are_those_of_the_forms() {
        assert_eq!(painted(Form::Square), 35 * 35);
        assert_eq!(painted(Form::Circle), 1257); // Gauss's circle problem, r = 20
        assert!(painted(Form::Ring) > 1257 * 7 / 10 && painted(Form::Ring) < 1257 * 8 / 10);
        assert_eq!(painted(Form::Cross), 2 * 13 * 41 - 13 * 13);
    }

    #[test]
    fn the_png_holds_the_pixels() {
        let file = png(&scene(Form::Triangle)).unwrap();
        let decoded = image::load_from_memory(&file).unwrap().into_rgb8();
        assert_eq!(decoded.into_raw(), pixels(&scene(Form::Triangle)));
    }
}
