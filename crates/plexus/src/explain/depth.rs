//! What depth costs: networks of fully connected, locally connected and convolutional layers, of rising depth.

use super::connectivity::compare;
use crate::{Context, Error, Network, Params};
use plexus_kernels::random::{Random, Stream};
use plexus_nn::layer::{LayerKind, Mismatch, RandomKey};
use plexus_nn::layers::{Conv2d, Flatten, Layer, Linear, LocallyConnected2d, relu};
use plexus_nn::{CheckedNetwork, Shape, TrainPlan};
use plexus_train::data::Dataset;
use plexus_train::loss::Loss;
use plexus_train::trainer::{Settings, Trainer};
use serde::Serialize;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How a layer is connected with the one in front.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// Every output with every input.
    Full,
    /// Each output with a window, with weights of its own.
    Local,
    /// Each output with a window, the same weights everywhere.
    Convolution,
}

impl Way {
    /// All of them.
    pub const ALL: [Way; 3] = [Way::Full, Way::Local, Way::Convolution];

    /// As it is written in a table.
    pub fn name(self) -> &'static str {
        match self {
            Way::Full => "fully connected",
            Way::Local => "locally connected",
            Way::Convolution => "convolution",
        }
    }
}

/// A network of so many hidden layers of one kind, each with a relu, and a fully connected layer of [`Depth::CLASSES`] outputs.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Depth {
    /// How its hidden layers are connected.
    pub way: Way,
    /// Hidden layers.
    pub depth: usize,
    /// Weights and biases.
    pub params: u128,
    /// Multiply-adds of one sample.
    pub macs: u128,
    /// What was measured; `None` of a network with more than [`Depth::MOST`] parameters.
    pub measured: Option<Measured>,
}

/// What a few steps of training were like.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Measured {
    /// One step of training: forward, backward and update, the median of several.
    pub step_seconds: f64,
    /// The norm of the gradient of the loss by the weights of each hidden layer, from the first to the last, before any step.
    pub gradient_norms: Vec<f64>,
}

impl Depth {
    /// Classes that the networks tell apart.
    pub const CLASSES: usize = 10;
    /// The most parameters of a network that is trained; four times as many numbers are in memory then.
    pub const MOST: u128 = 1 << 26;

    /// Counts a network of `depth` hidden layers like `conv`, one behind the other, and trains it for about `time` on random rows
    /// that are the same for all networks: numbers of mean 0 and variance 1, and a random class each. The first weights are those of
    /// PyTorch's layers.
    ///
    /// # Errors
    /// [`Error::Setting`] where a layer does not fit the maps, or a locally connected layer cannot do what the convolution does.
    ///
    /// # Examples
    /// ```
    /// use plexus::{Context, Shape, explain::{Depth, Way}, layers::Conv2d};
    /// let conv = Conv2d::new(4, 3).with_padding(1);
    /// let measure = |way| {
    ///     Depth::measure(way, &Shape::new([1, 8, 8]), &conv, 2, 16, std::time::Duration::ZERO, &Context::single())
    /// };
    /// let (full, shared) = (measure(Way::Full)?, measure(Way::Convolution)?);
    /// assert_eq!(full.params, (64 + 1) * 256 + (256 + 1) * 256 + (256 + 1) * 10);
    /// assert_eq!(shared.params, (9 + 1) * 4 + (4 * 9 + 1) * 4 + (256 + 1) * 10);
    /// assert_eq!(shared.measured.expect("it is small").gradient_norms.len(), 2);
    /// # Ok::<(), plexus::Error>(())
    /// ```
    pub fn measure(
        way: Way,
        input: &Shape,
        conv: &Conv2d,
        depth: usize,
        rows: usize,
        time: Duration,
        context: &Context,
    ) -> Result<Depth, Error> {
        let refuse = |at: usize, wrong: Mismatch| {
            let Mismatch { compared, expected, got, .. } = wrong;
            let (got, wrong) = (depth.to_string(), format!("{compared}: expected {expected}, got {got}"));
            let expected = format!("at most {at}, for hidden layer {} does not fit ({wrong})", at + 1);
            Error::Setting { name: "depth", got, expected, remedy: None }
        };
        let (mut shape, mut params, mut macs, mut layers) = (input.clone(), 0u128, 0u128, Vec::new());
        for at in 0..depth {
            let mut conv = *conv;
            conv.in_channels = conv.in_channels.filter(|_| at == 0);
            let ways = compare(&shape, &conv).map_err(|wrong| refuse(at, wrong))?;
            let output = conv.infer(&[&shape]).map_err(|wrong| refuse(at, wrong))?;
            let (count, layer): (_, Layer) = match way {
                Way::Full => {
                    if at == 0 {
                        layers.push(Flatten::default().into());
                    }
                    (&ways[0], Linear::new(output.len().unwrap_or(usize::MAX)).with_bias(conv.bias).into())
                }
                Way::Local => (&ways[1], local(&conv).map_err(|wrong| refuse(at, wrong))?.into()),
                Way::Convolution => (&ways[2], conv.into()),
            };
            layers.extend([layer, relu()]);
            (params, macs) = (params.saturating_add(count.params()), macs.saturating_add(count.macs));
            shape = output;
        }
        let (last, classes) = (shape.len().unwrap_or(usize::MAX) as u128, Depth::CLASSES as u128);
        if way != Way::Full || depth == 0 {
            layers.push(Flatten::default().into());
        }
        layers.push(Linear::new(Depth::CLASSES).into());
        let (params, macs) = (params + (last + 1) * classes, macs + last * classes);
        let measured = match params <= Depth::MOST {
            true => Some(train(Network::chain(input.clone(), layers).check()?, rows, time, context)?),
            false => None,
        };
        Ok(Depth { way, depth, params, macs, measured })
    }
}

/// The locally connected layer with the windows of a convolution.
fn local(conv: &Conv2d) -> Result<LocallyConnected2d, Mismatch> {
    if conv.groups != 1 || conv.dilation.sizes() != [1; 2] {
        let got = format!("{} groups and dilation {:?}", conv.groups, conv.dilation.sizes());
        return Err(Mismatch::new(
            "the convolution",
            "one group and no dilation, as locally connected layers have",
            got,
            "",
        ));
    }
    let layer = LocallyConnected2d::new(conv.out_channels, conv.kernel_size);
    Ok(layer.with_stride(conv.stride).with_padding(conv.padding).with_bias(conv.bias))
}

/// Numbers of mean 0 and variance 1, and a class for each row.
fn random_rows(width: usize, rows: usize) -> (Vec<f32>, Vec<u32>) {
    let mut dice = Random::new(0, Stream::Init, [u64::MAX, 0]);
    let mut values = vec![0.0; rows * width];
    dice.normal(0.0, 1.0, &mut values);
    (values, (0..rows).map(|_| dice.below(Depth::CLASSES as u64) as u32).collect())
}

/// Measures the gradient of the first weights, then some steps.
fn train(network: CheckedNetwork, rows: usize, time: Duration, context: &Context) -> Result<Measured, Error> {
    let (network, rows) = (Arc::new(network), rows.max(1));
    let (values, classes) = random_rows(network.input_len(), rows);
    let params = Params::initialize(&network, 0);
    let gradient_norms = gradient_norms(&network, &params, (&values, &classes), context)?;

    let settings = Settings::new(Loss::CrossEntropy { label_smoothing: 0.0, class_weights: None })
        .batch(rows)
        .learning_rate(1e-3)
        .epochs(1);
    let names = (0..Depth::CLASSES).map(|class| class.to_string());
    let data = Dataset::classes(network.input().clone(), values, classes, names)?;
    let mut trainer = Trainer::new(network, params, settings, context.clone())?;
    let order: Vec<u64> = (0..rows as u64).collect();
    let mut loader = trainer.loader(Arc::new(data), order.clone())?;
    let mut times = Vec::new();
    let begin = Instant::now();
    // The first step makes room, and does not count.
    while times.len() < 4 || begin.elapsed() < time {
        let start = Instant::now();
        trainer.step_on(&mut loader, &order, rows as u64)?;
        times.push(start.elapsed().as_secs_f64());
    }
    times.remove(0);
    times.sort_by(f64::total_cmp);
    Ok(Measured { step_seconds: times[times.len() / 2], gradient_norms })
}

/// The norm of the gradient of the mean cross-entropy, of each hidden layer with weights.
fn gradient_norms(
    network: &Arc<CheckedNetwork>,
    params: &Params,
    (values, classes): (&[f32], &[u32]),
    context: &Context,
) -> Result<Vec<f64>, Error> {
    let batch = network.batch(values, classes.len())?;
    let (mut plan, mut params) = (TrainPlan::new(network.clone(), context.clone()), params.clone());
    plan.forward(&mut params, batch, RandomKey::default());
    let (scores, grad) = plan.output_and_grad(0);
    for (row, class) in classes.iter().enumerate() {
        // Softmax minus one at the right class.
        let own = row * Depth::CLASSES..(row + 1) * Depth::CLASSES;
        let most = scores[own.clone()].iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let exponentials = scores[own.clone()].iter().map(|score| f64::from(score - most).exp());
        let sum: f64 = exponentials.clone().sum();
        for (at, (grad, exponential)) in grad[own].iter_mut().zip(exponentials).enumerate() {
            let hit = if at == *class as usize { 1.0 } else { 0.0 };
            *grad = ((exponential / sum - hit) / classes.len() as f64) as f32;
        }
    }
    let mut gradient = vec![0.0; network.layout().weights_len()];
    plan.backward(&params, batch, RandomKey::default(), &mut gradient, false);
    let layers = 0..network.network().layers.len();
    let own = layers.map(|index| &gradient[network.layout().weights_of(index)]).filter(|own| !own.is_empty());
    let mut norms: Vec<f64> =
        own.map(|own| own.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt()).collect();
    // The layer of the classes is not a hidden one.
    norms.pop();
    Ok(norms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(way: Way, conv: &Conv2d, depth: usize, context: &Context) -> Result<Depth, Error> {
        Depth::measure(way, &Shape::new([2, 7, 6]), conv, depth, 8, Duration::ZERO, context)
    }

    #[test]
    fn counts_are_those_of_the_networks() {
        let conv = Conv2d::new(3, 3).with_padding(1);
        for depth in [0, 1, 3] {
            for way in Way::ALL {
                let found = measure(way, &conv, depth, &Context::single()).expect("it fits");
                let outputs = 3 * 7 * 6;
                let layer = |inputs: u128, maps: u128| match way {
                    Way::Full => (inputs * outputs, outputs),
                    Way::Local => (9 * maps * outputs, outputs),
                    Way::Convolution => (9 * maps * 3, 3),
                };
                let sizes: Vec<(u128, u128)> =
                    (0..depth).map(|at| if at == 0 { layer(2 * 7 * 6, 2) } else { layer(outputs, 3) }).collect();
                let last = if depth == 0 { 2 * 7 * 6 } else { outputs };
                let params: u128 = sizes.iter().map(|(weights, biases)| weights + biases).sum();
                assert_eq!(found.params, params + (last + 1) * 10, "{way:?} {depth}");
                assert_eq!(found.measured.expect("it is small").gradient_norms.len(), depth);
            }
        }
    }

    #[test]
    fn gradient_norms_are_those_of_differences_of_the_loss() {
        let conv = Conv2d::new(2, 3).with_stride(2);
        let found = measure(Way::Convolution, &conv, 1, &Context::single()).expect("it fits");
        let layers: [Layer; 4] = [conv.into(), relu(), Flatten::default().into(), Linear::new(10).into()];
        let network = Arc::new(Network::chain([2, 7, 6], layers).check().expect("it fits"));
        let (values, classes) = random_rows(84, 8);
        let loss = |params: &Params| -> f64 {
            let plan = plexus_nn::Plan::new(network.clone(), params, Context::single());
            let mut workspace = plexus_nn::Workspace::default();
            let scores = plan.run(network.batch(&values, 8).expect("eight rows"), &mut workspace);
            let of_row = |(row, class): (&[f32], &u32)| {
                let sum: f64 = row.iter().map(|score| f64::from(*score).exp()).sum();
                sum.ln() - f64::from(row[*class as usize])
            };
            scores.chunks(10).zip(&classes).map(of_row).sum::<f64>() / 8.0
        };
        let first = Params::initialize(&network, 0);
        let mut sum = 0.0;
        for at in network.layout().weights_of(0) {
            let moved = |by: f32| {
                let mut params = first.clone();
                params.weights[at] += by;
                loss(&params)
            };
            sum += ((moved(1e-2) - moved(-1e-2)) / 2e-2).powi(2);
        }
        let norm = found.measured.expect("it is small").gradient_norms[0];
        assert!((norm - sum.sqrt()).abs() < 2e-2 * norm, "{norm} {}", sum.sqrt());
    }

    #[test]
    fn gradients_are_the_same_for_any_number_of_threads_and_large_networks_are_only_counted() {
        let conv = Conv2d::new(3, 3).with_padding(1);
        let norms = |context: &Context| {
            let found = measure(Way::Local, &conv, 3, context).expect("it fits");
            found.measured.expect("it is small").gradient_norms
        };
        assert_eq!(norms(&Context::single()), norms(&Context::detect(crate::Pool::new(2))));
        let input = Shape::new([3, 227, 227]);
        let conv = Conv2d::new(96, 11).with_stride(4);
        let found =
            Depth::measure(Way::Full, &input, &conv, 1, 8, Duration::ZERO, &Context::single()).expect("it fits");
        assert!(found.measured.is_none() && found.params == 44_892_355_200 + 290_401 * 10, "{found:?}");
    }

    #[test]
    fn what_does_not_fit_names_the_layer() {
        let message = measure(Way::Convolution, &Conv2d::new(3, 4), 3, &Context::single()).unwrap_err().to_string();
        assert!(message.contains("at most 1, for hidden layer 2"), "{message}");
        let dilated = Conv2d::new(3, 2).with_dilation(2);
        let message = measure(Way::Local, &dilated, 1, &Context::single()).unwrap_err().to_string();
        assert!(message.contains("dilation"), "{message}");
    }
}
