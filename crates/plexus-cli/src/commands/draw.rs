//! `plexus draw`: a network as a figure.

use crate::Failure;
use crate::args::DrawArgs;
use crate::commands::{open_network, save_drawing};
use crate::output::{grouped, say};
use crate::pictures::network::network as picture;
use plexus_nn::summary::summary;
use plexus_nn::{PlanOptions, Shape};

/// Draws the network of a model or a name.
pub fn run(args: DrawArgs) -> Result<(), Failure> {
    let default = (Shape::new([784]), 10);
    let (network, _) =
        open_network(&args.network, args.input.as_deref(), args.outputs, default, PlanOptions::default())?;
    let total = summary(&network).total;
    let totals = format!("{} parameters", grouped(total.params));
    save_drawing(&args.out, &picture(&args.network, &totals, &network), args.dark)?;
    say!("{}: {totals}, {} multiply-adds", args.out.display(), grouped(total.macs));
    Ok(())
}
