//! The projector of image features: one linear map in LLaVA v1, two with a GELU between them in v1.5 (Liu et al. 2023, arXiv
//! 2310.03744).

use tch::Tensor;

use crate::models::Parameter;
use crate::models::layers::Linear;
use crate::weights::Weights;

/// Linear maps with exact GELUs between them, from the width of the vision tower to that of the language model.
#[derive(Debug)]
pub struct Projector {
    /// Each with its place below `model.mm_projector`; none for a single map that stands there itself.
    layers: Vec<(Option<usize>, Linear)>,
}

/// Where a projector stands in a whole LLaVA and in files of its own.
const PLACES: [&str; 2] = ["model.mm_projector", "mm_projector"];

impl Projector {
    /// Whether a checkpoint holds one. `weights` is its top.
    pub fn is_in(weights: &Weights<'_>) -> bool {
        place(weights).is_some()
    }

    /// `weights` is the top of the projector's own file or of a whole LLaVA checkpoint; its names say which form it has. `inputs`
    /// and `outputs` are the widths of the patch features and of the language model.
    pub fn load(weights: &Weights<'_>, inputs: i64, outputs: i64) -> Self {
        let place = place(weights).unwrap_or_else(|| weights.at(PLACES[0]));
        if !place.has("0.weight") {
            let layers = vec![(None, Linear::load(&place, inputs, outputs))];
            return Self { layers };
        }
        // Activations have the odd numbers.
        let numbers = (0..)
            .step_by(2)
            .take_while(|number| place.has(&format!("{number}.weight")));
        let layer = |number: usize| {
            let inputs = if number == 0 { inputs } else { outputs };
            (
                Some(number),
                Linear::load(&place.at(number), inputs, outputs),
            )
        };
        Self {
            layers: numbers.map(layer).collect(),
        }
    }

    /// Width of the features that it reads.
    pub fn input_width(&self) -> i64 {
        self.layers[0].1.weight.size()[1]
    }

    /// `[patches, vision width]` -> `[patches, hidden]`.
    pub fn forward(&self, patches: &Tensor) -> Tensor {
        let mut layers = self.layers.iter().map(|(_, layer)| layer);
        let first = layers.next().map(|layer| layer.forward(patches));
        let first = first.unwrap_or_else(|| patches.shallow_clone());
        layers.fold(first, |x, layer| layer.forward(&x.gelu("none")))
    }

    /// Named as in a whole LLaVA checkpoint.
    pub fn parameters(&self) -> Vec<Parameter> {
        let named = |(number, layer): &(Option<usize>, Linear)| match number {
            Some(number) => layer.parameters(&format!("{}.{number}", PLACES[0])),
            None => layer.parameters(PLACES[0]),
        };
        self.layers.iter().flat_map(named).collect()
    }
}

fn place<'a>(weights: &Weights<'a>) -> Option<Weights<'a>> {
    let holds = |place: &Weights<'_>| place.has("weight") || place.has("0.weight");
    PLACES
        .map(|place| weights.at(place))
        .into_iter()
        .find(holds)
}
