//! Opens a model and predicts what one picture shows.
//!
//! ```text
//! cargo run -p plexus --example open_and_predict [MODEL]
//! ```
//!
//! MODEL is a model of the built-in digits; where there is none, it is made first.

use plexus::layers::{flatten, linear, relu};
use plexus::train::data::{self, DataOptions};
use plexus::{Context, Loss, Model, Network, Settings, Workspace};
use std::error::Error;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).map_or(std::env::temp_dir().join("plexus-digits.safetensors"), PathBuf::from);
    if !path.exists() {
        train(&path)?;
    }

    let model = Model::open(&path, Context::single())?;
    let mut workspace = Workspace::default();
    let probabilities = model.predict(&PICTURE, 1, &mut workspace)?;

    println!("{} says of this picture:\n", path.display());
    for line in PICTURE.chunks(8) {
        println!("    {}", line.iter().map(|ink| [' ', '.', '+', '#', '@'][*ink as usize / 4]).collect::<String>());
    }
    println!();
    for (class, probability) in model.task().names().iter().zip(probabilities) {
        println!("{class}: {:5.1} %", 100.0 * probability);
    }
    Ok(())
}

/// A three, eight by eight pixels of 0 to 16.
const PICTURE: [f32; 64] = [
    0.0, 0.0, 7.0, 15.0, 13.0, 1.0, 0.0, 0.0, //
    0.0, 8.0, 13.0, 6.0, 15.0, 4.0, 0.0, 0.0, //
    0.0, 2.0, 1.0, 13.0, 13.0, 0.0, 0.0, 0.0, //
    0.0, 0.0, 2.0, 15.0, 11.0, 1.0, 0.0, 0.0, //
    0.0, 0.0, 0.0, 1.0, 12.0, 12.0, 1.0, 0.0, //
    0.0, 0.0, 0.0, 0.0, 1.0, 10.0, 8.0, 0.0, //
    0.0, 0.0, 8.0, 4.0, 5.0, 14.0, 9.0, 0.0, //
    0.0, 0.0, 7.0, 13.0, 13.0, 9.0, 0.0, 0.0,
];

fn train(path: &Path) -> Result<(), Box<dyn Error>> {
    let digits = data::open("digits", &DataOptions::default())?;
    let network = Network::chain([1, 8, 8], [flatten(), linear(64), relu(), linear(10)]);
    let fitted = plexus::fit(network, &digits.train, Settings::new(Loss::cross_entropy()).epochs(30), |_| {})?;
    Ok(fitted.model.save(path)?)
}
