//! Trains a network on data of one's own, shows what it learnt, and saves it.
//!
//! ```text
//! cargo run -p plexus --example train [MODEL]
//! ```
//!
//! MODEL is where the model goes.

use plexus::layers::{dropout, linear, relu};
use plexus::{Adam, Context, Dataset, Event, Loss, Model, Network, Settings, Workspace};
use std::error::Error;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).map_or(std::env::temp_dir().join("plexus-circle.safetensors"), PathBuf::from);

    // Points all over a square, and whether each is inside a circle.
    let points: Vec<f32> =
        (0..1000).flat_map(|i| [0.7548777, 0.5698403].map(|step| 2.0 * (i as f32 * step).fract() - 1.0)).collect();
    let inside: Vec<u32> = points.chunks(2).map(|p| u32::from(p[0] * p[0] + p[1] * p[1] < 0.5)).collect();
    let data = Dataset::classes([2], points, inside, ["outside", "inside"])?;

    let network = Network::chain([2], [linear(32), relu(), dropout(0.1), linear(2)]);
    let settings = Settings::new(Loss::cross_entropy()).epochs(30).batch(32).optimizer(Adam::default());
    let fitted = plexus::fit(network, &data, settings, |event| {
        if let Event::Epoch(record) = event
            && record.epoch % 5 == 0
        {
            let accuracy = 100.0 * record.validation_metric.unwrap_or(f64::NAN);
            println!("epoch {:2}: loss {:.3}, {accuracy:.1} % of the validation rows", record.epoch, record.train_loss);
        }
    })?;
    println!("the best epoch was {} of {}\n", fitted.best_epoch, fitted.history.len());
    fitted.model.save(&path)?;

    // What it takes for inside, on a grid of one batch.
    let model = Model::open(&path, Context::single())?;
    let (lines, columns) = (15, 31);
    let grid = (0..lines * columns).flat_map(|at| {
        let (line, column) = (at / columns, at % columns);
        [column as f32 / 15.0 - 1.0, line as f32 / 7.0 - 1.0]
    });
    let grid: Vec<f32> = grid.collect();
    let classes = model.classify(&grid, lines * columns, &mut Workspace::default())?;
    for line in classes.chunks(columns) {
        println!("    {}", line.iter().map(|class| if class.name == "inside" { '#' } else { '.' }).collect::<String>());
    }
    println!("\nthe model is in {}", path.display());
    Ok(())
}
