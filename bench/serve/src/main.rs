//! A service around a model, and its clients: what `cargo xtask bench-serve` measures.
//!
//! ```text
//! serve about                            the prediction by itself, without a service
//! serve measure WAY CLIENTS REQUESTS     starts a service in a process of its own and asks it
//! serve service WAY                      the service, until its standard input is closed
//! ```
//!
//! Every answer is one line of JSON.

#![forbid(unsafe_code)]

mod client;
mod service;

use plexus::layers::{linear, relu};
use plexus::{Context, Model, Network, Params, Pool, Task, Workspace};
use serde_json::json;
use std::error::Error;
use std::time::Instant;

/// Numbers of one request.
pub const WIDTH: usize = 784;

/// Threads of the shared pool.
const POOL: usize = 2;

/// Where a prediction is computed.
#[derive(Clone, Copy, PartialEq)]
pub enum Way {
    /// In the handler, on the thread that runs it.
    Single,
    /// In the handler, on a pool that all handlers share.
    Pool,
    /// On a thread of tokio's that may block.
    SpawnBlocking,
}

impl Way {
    fn parse(name: &str) -> Result<Way, String> {
        match name {
            "single" => Ok(Way::Single),
            "pool" => Ok(Way::Pool),
            "spawn_blocking" => Ok(Way::SpawnBlocking),
            _ => Err(format!("a way is single, pool or spawn_blocking, not {name}")),
        }
    }

    fn context(self) -> Context {
        if self == Way::Pool { Context::detect(Pool::new(POOL)) } else { Context::single() }
    }
}

/// 784-2048-2048-10 with first values: what it answers does not matter.
pub fn model(context: Context) -> Result<Model, plexus::Error> {
    let layers = [linear(2048), relu(), linear(2048), relu(), linear(10)];
    let network = Network::chain([WIDTH], layers).check()?;
    let params = Params::initialize(&network, 0);
    let task = Task::Classification { classes: (0..10).map(|class| class.to_string()).collect() };
    Model::new(network, &params, task, context)
}

/// A picture of 0 to 255, as of MNIST.
pub fn picture() -> Vec<f32> {
    (0..WIDTH).map(|at| if at % 5 == 0 { (at * 37 % 256) as f32 } else { 0.0 }).collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["about"] => about(),
        ["measure", way, clients, requests] => client::measure(way, clients.parse()?, requests.parse()?),
        ["service", way] => service::run(Way::parse(way)?),
        _ => Err("serve about, serve measure WAY CLIENTS REQUESTS, or serve service WAY".into()),
    }
}

/// How long a prediction takes by itself, in microseconds.
fn about() -> Result<(), Box<dyn Error>> {
    let picture = picture();
    let alone = |way: Way| -> Result<f64, plexus::Error> {
        let (model, mut workspace) = (model(way.context())?, Workspace::default());
        let mut times = Vec::new();
        for _ in 0..500 {
            let started = Instant::now();
            model.predict(&picture, 1, &mut workspace)?;
            times.push(started.elapsed().as_secs_f64() * 1e6);
        }
        times.sort_by(f64::total_cmp);
        Ok(times[times.len() / 2])
    };
    let (single, pool) = (alone(Way::Single)?, alone(Way::Pool)?);
    let isa = Context::single().isa().name();
    println!("{}", json!({ "isa": isa, "single_us": single, "pool_us": pool, "pool_threads": POOL }));
    Ok(())
}
