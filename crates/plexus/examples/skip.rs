//! A graph with a skip, trained to answer with a number, and its layers in a table.
//!
//! ```text
//! cargo run -p plexus --example skip
//! ```

use plexus::{Dataset, Graph, Loss, Settings, Workspace};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let mut g = Graph::new();
    let x = g.input("x", [8]);
    let hidden = g.linear(x, 8);
    let hidden = g.relu(hidden);
    let sum = g.add(&[hidden, x]);
    let price = g.linear(sum, 1);
    let network = g.outputs(&[("price", price)])?;

    println!("{:<12} {:<12} reads", "name", "kind");
    for layer in &network.layers {
        println!("{:<12} {:<12} {}", layer.name, layer.layer.kind(), layer.inputs.join(", "));
    }

    let data = Dataset::numbers_from_fn(500, [8], ["price"], |row, sample, price| {
        let steps = (1..).map(|i| 0.92f32.powi(i));
        sample.iter_mut().zip(steps).for_each(|(x, step)| *x = 10.0 * (row as f32 * step).fract());
        price[0] = 1000.0 + 30.0 * sample.iter().sum::<f32>();
    })?;
    let settings = Settings::new(Loss::mean_squared_error()).epochs(60).batch(16).learning_rate(0.01);
    let fitted = plexus::fit(network, data, settings, |_| {})?;

    println!();
    let mut workspace = Workspace::default();
    for each in [2.0, 5.0, 8.0] {
        let price = fitted.model.predict(&[each; 8], 1, &mut workspace)?[0];
        println!("eight times {each}: {price:.0}, expected {:.0}", 1000.0 + 30.0 * 8.0 * each);
    }
    Ok(())
}
