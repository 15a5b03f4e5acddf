//! Names what some pictures show, with how sure the model is.
//!
//! ```text
//! cargo run -p plexus --example classify [MODEL]
//! ```
//!
//! MODEL is a model of the built-in digits; where there is none, it is made first.

use plexus::layers::{flatten, linear, relu};
use plexus::train::data::{self, DataOptions, DataSource};
use plexus::{Context, Loss, Model, Network, Settings, Targets, Workspace};
use std::error::Error;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).map_or(std::env::temp_dir().join("plexus-digits.safetensors"), PathBuf::from);
    let digits = data::open("digits", &DataOptions::default())?;
    if !path.exists() {
        train(&digits, &path)?;
    }
    let model = Model::open(&path, Context::single())?;
    let mut workspace = Workspace::default();

    // All pictures that were kept out of the training, in one call.
    let rows = digits.test.len();
    let mut pictures = vec![0.0; rows * digits.test.row_len()];
    digits.test.copy_rows(&(0..rows as u64).collect::<Vec<_>>(), &mut pictures);
    let best = model.classify(&pictures, rows, &mut workspace)?;
    let Targets::Classes { indices: truth, .. } = digits.test.target() else { unreachable!("digits are classes") };
    let right = best.iter().zip(truth).filter(|(best, truth)| best.index == **truth as usize).count();
    println!("{right} of {rows} pictures are named rightly; the first ones:");

    // And the three likeliest classes of the first ones.
    let first = &pictures[..5 * digits.test.row_len()];
    for (classes, truth) in model.classify_top(first, 5, 3, &mut workspace)?.iter().zip(truth) {
        let named = classes.iter().map(|class| format!("{} {:5.1} %", class.name, 100.0 * class.probability));
        println!("a {truth}: {}", named.collect::<Vec<_>>().join(", "));
    }
    Ok(())
}

fn train(digits: &DataSource, path: &Path) -> Result<(), Box<dyn Error>> {
    let network = Network::chain([1, 8, 8], [flatten(), linear(64), relu(), linear(10)]);
    let fitted = plexus::fit(network, &digits.train, Settings::new(Loss::cross_entropy()).epochs(30), |_| {})?;
    Ok(fitted.model.save(path)?)
}
