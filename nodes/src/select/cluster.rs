//! Picks from clusters of rows that are alike: k-means, then so many rows of each cluster, as COINCIDE does it (Lee et al.,
//! EMNLP 2024, arXiv 2406.10995; its weights by transferability and density are not part of it).
//!
//! Spherical k-means (Dhillon & Modha 2001): vectors are scaled to length 1, a row belongs to the centre of the largest cosine
//! (ties: the first centre; a row of zeros is like nothing and belongs to the first), and a centre is the mean of its rows scaled to length 1. The
//! first centres are rows chosen by k-means++ (Arthur & Vassilvitskii 2007), by lots that depend on `seed` only. It ends
//! when no row changes its cluster, or after `iterations`. A cluster that loses all its rows keeps its centre.
//!
//! `count` is then shared out among the clusters and picked within each as select.quota does it: the largest `score` first
//! (ties: the first row), or without `score` by the lots of select.random. The picks stand in the order of score or lot over
//! all clusters. Rows without a vector belong to no cluster and are not picked from, nor are rows without a score where one
//! is asked for, and it is said how many. Gives the rows of the input with `pick`, `cluster` (from 0, in the order in which
//! their first centres were chosen), `cosine` (with the centre), and `score` where there is one.
//!
//! Exact, and the same whatever the number of threads. An iteration takes rows x clusters x values multiplications.
//!
//! ```yaml
//! spread: { kind: select.cluster, input: instructions, vectors: clip.clip, clusters: 500, count: 25000, allot: square_root, score: difficulty.difficulty }
//! ```

use arrow::array::{Float64Array, UInt32Array};
use trommel_engine::node::prelude::*;

use self::kmeans::{Clusters, kmeans};
use super::allot::Allot;
use super::vectors::{Length, Vectors, rows_with_vector};
use super::{order, picks};

mod kmeans;

/// Rows of each cluster.
pub struct Cluster;

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The rows to pick from.
    pub input: TableRef,
    /// What tells which rows are alike.
    pub vectors: ColumnRef,
    /// How many clusters to make.
    pub clusters: usize,
    /// How many rows to pick, all clusters together.
    pub count: usize,
    /// How they are shared out among the clusters.
    #[serde(default)]
    pub allot: Allot,
    /// Within a cluster, the larger, the sooner picked; random without.
    pub score: Option<ColumnRef>,
    /// After so many the clusters stay as they are.
    #[serde(default = "iterations")]
    pub iterations: usize,
    /// Of the first centres and of the random choice.
    #[serde(default = "super::random::seed")]
    pub seed: u64,
}

fn iterations() -> usize {
    50
}

impl Kind for Cluster {
    const NAME: &'static str = "select.cluster";
    const VERSION: u32 = 1;
    type Config = Config;

    fn contract(config: &Config, contract: &mut Contract) {
        picks::refuse_none(config.count, contract);
        contract.table("input", &config.input).passes();
        contract.column("vectors", &config.vectors, &[ColumnType::Vector]);
        if let Some(score) = &config.score {
            contract.column("score", score, &[ColumnType::Number]);
        }
        let port = contract.port("rows", RowsOf::New).passes("input");
        port.gives("pick", ColumnType::U32)
            .gives("cluster", ColumnType::U32)
            .gives("cosine", ColumnType::F64);
        if config.score.is_some() {
            port.gives("score", ColumnType::F64);
        }
        contract.permit(Permit::Exclusive);
        contract.memory("vectors", 1.2);
        for (key, value) in [
            ("clusters", config.clusters),
            ("iterations", config.iterations),
        ] {
            if value == 0 {
                contract.refuse(key, format!("`{key}` is 0"), "it must be 1 or more");
            }
        }
    }

    fn build(config: &Config) -> Result<Work, NodeError> {
        Ok(Work::table(Pick {
            clusters: config.clusters,
            count: config.count,
            allot: config.allot,
            scored: config.score.is_some(),
            iterations: config.iterations,
            seed: config.seed,
        }))
    }
}

struct Pick {
    clusters: usize,
    count: usize,
    allot: Allot,
    scored: bool,
    iterations: usize,
    seed: u64,
}

impl TableNode for Pick {
    fn table(
        &mut self,
        inputs: &Inputs,
        outputs: &mut dyn Outputs,
        context: &Context<'_>,
    ) -> Result<(), NodeError> {
        let input = inputs.table("input")?;
        let (wanted, scores) = picks::ranked(inputs, self.scored, self.seed, context)?;
        let column = inputs.column("vectors")?;
        let rows = rows_with_vector(&column, context)?;
        let vectors = Vectors::read(&column, &rows, Length::One)?;
        let clusters = self.cluster(input, &rows, &vectors, context)?;
        // Index among the rows that have a vector.
        let mut index_of = vec![None; input.rows()];
        for (index, &row) in rows.iter().enumerate() {
            index_of[row] = Some(index);
        }
        let wanted: Vec<usize> = wanted.into_iter().filter_map(|row| index_of[row]).collect();
        picks::warn_short(self.count, wanted.len(), context);
        let of = |index: usize| clusters.of[index] as usize;
        let picked = self.allot.pick(&wanted, of, self.count);
        let numbers = picked.iter().map(|&index| clusters.of[index]);
        let cosines = picked
            .iter()
            .map(|&index| f64::from(clusters.cosines[index]));
        let mut columns: Vec<(&str, ArrayRef)> = vec![
            ("cluster", Arc::new(UInt32Array::from_iter_values(numbers))),
            ("cosine", Arc::new(Float64Array::from_iter_values(cosines))),
        ];
        if let Some(scores) = &scores {
            let scores = picked.iter().map(|&index| scores[rows[index]]);
            columns.push(("score", Arc::new(Float64Array::from_iter_values(scores))));
        }
        let positions: Vec<usize> = picked.iter().map(|&index| rows[index]).collect();
        picks::push_arrays(input, &positions, &columns, outputs, context)
    }
}

impl Pick {
    fn cluster(
        &self,
        input: &Table,
        rows: &[usize],
        vectors: &Vectors,
        context: &Context<'_>,
    ) -> Result<Clusters, NodeError> {
        let lots = order::lots(input, self.seed)?;
        let Some(first) = (0..rows.len()).min_by_key(|&index| lots[rows[index]]) else {
            return Ok(Clusters::default());
        };
        let count = self.clusters.min(rows.len());
        let steps = picks::steps(count + self.iterations, context);
        let clusters = kmeans(vectors, first, count, self.seed, self.iterations, steps)?;
        let mut sizes = vec![0_usize; clusters.count];
        for &cluster in &clusters.of {
            sizes[cluster as usize] += 1;
        }
        let end = if clusters.settled {
            "no row changes its cluster any more"
        } else {
            "rows still change their clusters"
        };
        context.log(format!(
            "{} clusters of {} to {} rows; {end} after {} iterations",
            clusters.count,
            sizes.iter().min().unwrap_or(&0),
            sizes.iter().max().unwrap_or(&0),
            clusters.iterations
        ));
        if clusters.count < self.clusters {
            context.warn(format!(
                "`clusters` is {}, and there are only {} different vectors: so many clusters are made",
                self.clusters, clusters.count
            ));
        }
        Ok(clusters)
    }
}
