//! Samples of five kinds, from trivial to plainly wrong, some of them near-duplicates of each other.

use std::io;

use serde::Serialize;

use crate::rng::Rng;
use crate::scene::Scene;
use crate::talk::{self, Turn};
use crate::{draw, scores};

/// How a sample was made. It is written into the record, where no node reads it, so that the result can be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// One big shape, one short question.
    Trivial,
    /// Two or three shapes, a question or two on what and where.
    Normal,
    /// Five to seven shapes: counting, relations and long lists, in several turns.
    Hard,
    /// Looks trivial or normal; the answer contradicts the picture.
    Wrong,
    /// A question without a picture.
    TextOnly,
}

impl Kind {
    /// Samples of each kind among 360.
    const SHARES: [(Self, usize); 5] = [
        (Self::Trivial, 112),
        (Self::Normal, 112),
        (Self::Hard, 90),
        (Self::Wrong, 40),
        (Self::TextOnly, 6),
    ];
}

/// One record of the annotation file with its picture and its recorded scores.
#[derive(Clone, Debug)]
pub struct Sample {
    pub kind: Kind,
    /// Samples of one cluster ask the same about the same scene, moved by a pixel.
    pub cluster: usize,
    /// Recorded as if `ImageReward` had given it; none without an image.
    pub image_reward: Option<f64>,
    /// Recorded as if a chat model had given it: 0 to 10.
    pub judge: f64,
    scene: Option<Scene>,
    record: Record,
}

impl Sample {
    /// The record as one line of JSON, in the form of the `LLaVA` instructions.
    pub fn json(&self) -> io::Result<String> {
        serde_json::to_string(&self.record).map_err(io::Error::from)
    }

    /// The picture as a PNG file, with its name in the image folder; none for `Kind::TextOnly`.
    pub fn image(&self) -> io::Result<Option<(&str, Vec<u8>)>> {
        let named = self.record.image.as_deref().zip(self.scene.as_ref());
        named
            .map(|(name, scene)| Ok((name, draw::png(scene)?)))
            .transpose()
    }
}

/// `count` samples in random order; the shares of the kinds are always (nearly) the same.
pub fn samples(seed: u64, count: usize) -> Vec<Sample> {
    let mut order = Rng::stream(seed, u64::MAX);
    let mut clusters = Vec::new();
    for (kind, share) in Kind::SHARES {
        let mut left = share * count / 360;
        while left > 0 {
            let size = cluster_size(&mut order, kind).min(left);
            clusters.push((kind, size));
            left -= size;
        }
    }
    let all = clusters.into_iter().enumerate();
    let mut planned: Vec<(Kind, usize, usize)> = all
        .flat_map(|(cluster, (kind, size))| (0..size).map(move |copy| (kind, cluster, copy)))
        .collect();
    order.shuffle(&mut planned);
    let numbered = planned.into_iter().enumerate();
    numbered
        .map(|(index, (kind, cluster, copy))| sample(seed, index, kind, cluster, copy))
        .collect()
}

#[derive(Clone, Debug, Serialize)]
struct Record {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    conversations: Vec<Message>,
    kind: Kind,
    cluster: usize,
}

#[derive(Clone, Debug, Serialize)]
struct Message {
    from: &'static str,
    value: String,
}

/// Two thirds of the clusters are single samples; the rest hold two to five near-duplicates.
fn cluster_size(rng: &mut Rng, kind: Kind) -> usize {
    if kind == Kind::TextOnly || rng.below(3) > 0 {
        1
    } else {
        2 + rng.below(4)
    }
}

fn sample(seed: u64, index: usize, kind: Kind, cluster: usize, copy: usize) -> Sample {
    // The scene and the talk belong to the cluster; the small differences to the sample.
    let mut shared = Rng::stream(seed, cluster as u64);
    let mut own = Rng::stream(seed, (1 << 32) + index as u64);
    let (scene, turns) = content(&mut shared, kind, cluster);
    let scene = scene.map(|scene| {
        if copy == 0 {
            scene
        } else {
            scene.jittered(&mut own)
        }
    });
    let image_reward = scene
        .as_ref()
        .map(|scene| scores::image_reward(&mut own, scene, kind == Kind::Wrong));
    let judge = scores::judge(&mut own, &turns);
    let id = format!("{index:05}");
    let record = Record {
        image: scene.is_some().then(|| format!("{id}.png")),
        conversations: conversation(&mut own, turns, scene.is_some()),
        id,
        kind,
        cluster,
    };
    Sample {
        kind,
        cluster,
        image_reward,
        judge,
        scene,
        record,
    }
}

fn content(rng: &mut Rng, kind: Kind, cluster: usize) -> (Option<Scene>, Vec<Turn>) {
    match kind {
        Kind::Trivial => {
            let scene = Scene::one_big(rng);
            let turn = talk::about_one(rng, &scene.shapes[0]);
            (Some(scene), vec![turn])
        }
        Kind::Normal => {
            let count = 2 + rng.below(2);
            let scene = Scene::grid(rng, count, 3, 3);
            let turns = match rng.below(3) {
                0 => vec![talk::describe(&scene)],
                1 => vec![talk::place(rng, &scene)],
                _ => vec![talk::place(rng, &scene), talk::count(rng, &scene)],
            };
            (Some(scene), turns)
        }
        Kind::Hard => {
            let count = 5 + rng.below(3);
            let scene = Scene::grid(rng, count, 3, 4);
            let mut turns = vec![talk::count(rng, &scene)];
            turns.extend(talk::neighbour(rng, &scene));
            turns.push(talk::place(rng, &scene));
            if rng.below(2) == 0 {
                turns.push(talk::describe(&scene));
            }
            rng.shuffle(&mut turns);
            turns.truncate(3);
            (Some(scene), turns)
        }
        Kind::Wrong => {
            let scene = if rng.below(2) == 0 {
                Scene::one_big(rng)
            } else {
                Scene::grid(rng, 2, 2, 2)
            };
            let told = scene.contradicted(rng);
            let turn = if told.shapes.len() == 1 {
                talk::about_one(rng, &told.shapes[0])
            } else {
                talk::describe(&told)
            };
            (Some(scene), vec![turn])
        }
        Kind::TextOnly => (None, vec![talk::without_picture(cluster)]),
    }
}

/// As in the `LLaVA` instructions: the first human turn holds `<image>`, before or after the question.
fn conversation(rng: &mut Rng, turns: Vec<Turn>, has_image: bool) -> Vec<Message> {
    let image_first = rng.below(2) == 0;
    let mut messages = Vec::with_capacity(2 * turns.len());
    for turn in turns {
        let value = match (has_image && messages.is_empty(), image_first) {
            (false, _) => turn.question,
            (true, true) => format!("<image>\n{}", turn.question),
            (true, false) => format!("{}\n<image>", turn.question),
        };
        messages.push(Message {
            from: "human",
            value,
        });
        messages.push(Message {
            from: "gpt",
            value: turn.answer,
        });
    }
    messages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_add_up() {
        let all = samples(5, 360);
        assert_eq!(all.len(), 360);
        for (kind, share) in Kind::SHARES {
            assert_eq!(
                all.iter().filter(|sample| sample.kind == kind).count(),
                share,
                "{kind:?}"
            );
        }
    }

    #[test]
    fn a_cluster_asks_the_same_about_nearly_the_same_picture() {
        let all = samples(5, 360);
        let texts = |sample: &Sample| -> Vec<String> {
            let plain = |message: &Message| message.value.replace("<image>", "").trim().to_owned();
            sample.record.conversations.iter().map(plain).collect()
        };
        let mut pairs = 0;
        for (i, a) in all.iter().enumerate() {
            for b in all[..i].iter().filter(|b| b.cluster == a.cluster) {
                assert_eq!(texts(a), texts(b));
                pairs += 1;
            }
        }
        assert!(pairs > 50, "only {pairs} pairs of near-duplicates");
    }

    #[test]
    fn only_samples_with_a_picture_ask_for_it() {
        for sample in samples(6, 360) {
            let first = &sample.record.conversations[0].value;
            assert_eq!(
                first.matches("<image>").count(),
                usize::from(sample.scene.is_some())
            );
            assert_eq!(sample.scene.is_none(), sample.kind == Kind::TextOnly);
        }
    }
}
