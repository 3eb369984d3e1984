//! Writes samples of a seed: `cargo run -p trommel-quickstart --example dump -- SEED N DIR`.
//! `models/make_models.py` reads its training data from here; the committed data is `dump -- 1 360 examples/quickstart/data`.

use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [seed, count, dir] = arguments.as_slice() else {
        return Err("usage: dump SEED N DIR".into());
    };
    trommel_quickstart::write_data(Path::new(dir), seed.parse()?, count.parse()?)?;
    Ok(())
}
