//! load.llava's reading alone: `bench_load FILE` reads annotations into Arrow arrays and says how long that took and what memory
//! it needed, as JSON.

#![expect(clippy::print_stdout, reason = "a benchmark tells its numbers")]

use trommel_benches::{paths, peak_mb, seconds};
use trommel_nodes::load::llava::read;

fn main() {
    let files = paths(["FILE"]);
    let mut chunks = Vec::new();
    let took = seconds(|| {
        let mut keep = |rows| {
            chunks.push(rows);
            true
        };
        read(&files, &[], &mut keep).expect("annotations");
    });
    let rows: usize = chunks.iter().map(arrow::array::RecordBatch::num_rows).sum();
    println!(
        "{}",
        serde_json::json!({ "seconds": took, "rows": rows, "peak_mb": peak_mb() })
    );
}
