//! One neuron: one number of the output of a layer, the inputs that it sees, and its weights.

use crate::{Error, Model, Workspace};
use plexus_nn::layer::LayerKind;
use plexus_nn::layers::Layer;
use plexus_nn::{Shape, window};
use serde::Serialize;

/// One neuron of a linear layer or a convolution. A convolution of `D` filters over maps has one for each number of its output,
/// `D · H' · W'` of them, and those of a filter share their weights.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Neuron {
    /// The name of the layer.
    pub layer: String,
    /// Its kind.
    pub kind: String,
    /// Its place in the output of the layer: `[output]`, or `[filter, row, column]`.
    pub place: Vec<usize>,
    /// The shape of what the layer reads.
    pub input_shape: Vec<usize>,
    /// Neurons with the same weights, this one included.
    pub sharing: usize,
    /// What it reads, with what weight. What a window has on the padding is not there.
    pub weights: Vec<Connection>,
    /// Added to the sum.
    pub bias: Option<f32>,
    /// Rows and columns of the first input of the network that it depends on, first and last; empty where it may be all.
    pub sees: Vec<[usize; 2]>,
}

/// One weight of a neuron.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Connection {
    /// The place of the input that is multiplied.
    pub input: Vec<usize>,
    /// The weight.
    pub weight: f32,
}

/// What a neuron makes of the values that it reads: each with its weight, the sum, and the bias.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Contributions {
    /// One for each of the weights, in their order.
    pub weights: Vec<Contribution>,
    /// The sum of all products.
    pub sum: f32,
    /// The sum and the bias: the value of the neuron.
    pub value: f32,
}

/// One weight of a neuron, with the value that it is multiplied by.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Contribution {
    /// The place of the input.
    pub input: Vec<usize>,
    /// The weight.
    pub weight: f32,
    /// The value at this place.
    pub value: f32,
    /// Weight times value.
    pub product: f32,
}

impl Neuron {
    /// What the neuron makes of all values that its layer reads, channels first, as [`Model::reads`] gives them.
    ///
    /// # Errors
    /// [`Error::Setting`] where these are not so many as the layer reads.
    ///
    /// # Numerics
    /// The products are added in f64, in the order of the weights; the model adds in f32, in another order.
    ///
    /// # Examples
    /// ```
    /// use plexus::{Context, Model, Network, Params, Task, layers::{linear, relu}};
    /// let network = Network::chain([2], [linear(2), relu(), linear(1)]).check()?;
    /// let mut params = Params::zeros(&network);
    /// params.set("layers.0.weight", &[1.0, 2.0, 3.0, -4.0]);
    /// params.set("layers.2.weight", &[5.0, 6.0]);
    /// params.set("layers.2.bias", &[0.5]);
    /// let task = Task::Regression { outputs: vec!["price".into()] };
    /// let model = Model::new(network, &params, task, Context::single())?;
    /// let reads = model.reads("layers.2", &[&[1.0, 1.0]])?;
    /// let found = model.neuron("layers.2", &[0])?.contributions(&reads)?;
    /// assert_eq!((reads, found.weights[0].product), (vec![3.0, 0.0], 15.0));
    /// assert_eq!((found.sum, found.value), (15.0, 15.5));
    /// # Ok::<(), plexus::Error>(())
    /// ```
    pub fn contributions(&self, reads: &[f32]) -> Result<Contributions, Error> {
        let shape = Shape::new(self.input_shape.clone());
        if shape.len() != Some(reads.len()) {
            let expected =
                format!("the values that {} reads: {shape}, {} of them", self.layer, shape.len().unwrap_or(0));
            let got = format!("{} numbers", reads.len());
            return Err(Error::Setting { name: "reads", got, expected, remedy: None });
        }
        let contribution = |one: &Connection| {
            let at = one.input.iter().zip(&self.input_shape).fold(0, |sum, (at, axis)| sum * axis + at);
            let (weight, value) = (one.weight, reads[at]);
            // Without the sign of a zero.
            Contribution { input: one.input.clone(), weight, value, product: weight * value + 0.0 }
        };
        let weights: Vec<Contribution> = self.weights.iter().map(contribution).collect();
        let sum: f64 = weights.iter().map(|one| f64::from(one.weight) * f64::from(one.value)).sum();
        let value = sum + f64::from(self.bias.unwrap_or(0.0));
        Ok(Contributions { weights, sum: sum as f32, value: value as f32 })
    }
}

impl Model {
    /// What a layer reads on one row, channels first; of a layer that reads several values the first. One slice for each input that
    /// these values depend on.
    ///
    /// # Errors
    /// [`Error::Setting`] where there is no such layer, and for a row that does not fit [`Error::Setting`] or [`Error::Shape`].
    pub fn reads(&self, layer: &str, inputs: &[&[f32]]) -> Result<Vec<f32>, Error> {
        let network = self.network();
        let value = network.reads(self.layer_index(layer)?)[0];
        let Some(above) = network.layer_of(value) else {
            let shape = network.shape(value);
            if let &[row] = inputs
                && Some(row.len()) == shape.len()
            {
                return Ok(row.to_vec());
            }
            let got: Vec<usize> = inputs.iter().map(|input| input.len()).collect();
            let expected = format!("one row of {shape}, {} numbers", shape.len().unwrap_or(0));
            return Err(Error::Setting { name: "inputs", got: format!("{got:?} numbers"), expected, remedy: None });
        };
        let latent = self.latent(&network.network().layers[above].name)?;
        Ok(latent.of(inputs, 1, &mut Workspace::default())?.to_vec())
    }

    /// A neuron by its layer and its place: `[output]` of a linear layer, `[filter, row, column]` of a conv2d, or for both one
    /// number that counts through all of them.
    ///
    /// # Errors
    /// [`Error::Setting`] for a layer without neurons of this kind, and for a place outside of its output.
    ///
    /// # Examples
    /// ```
    /// use plexus::{Context, Model, Network, Params, Task, layers::{conv2d, flatten, linear}};
    /// let network = Network::chain([1, 6, 6], [conv2d(2, 3), flatten(), linear(1)]).check()?;
    /// let params = Params::initialize(&network, 1);
    /// let task = Task::Regression { outputs: vec!["price".into()] };
    /// let model = Model::new(network, &params, task, Context::single())?;
    /// let neuron = model.neuron("layers.0", &[1, 2, 3])?;
    /// assert_eq!((neuron.weights.len(), neuron.sharing), (9, 16));
    /// assert_eq!(neuron.weights[0].input, [0, 2, 3]);
    /// # Ok::<(), plexus::Error>(())
    /// ```
    pub fn neuron(&self, layer: &str, place: &[usize]) -> Result<Neuron, Error> {
        let network = self.network();
        let refuse = |name, got: String, expected: String| Err(Error::Setting { name, got, expected, remedy: None });
        let index = self.layer_index(layer)?;
        let (named, inputs, output) =
            (&network.network().layers[index], network.input_shapes(index), network.output_shape(index));
        let (input, axes) = (inputs[0], output.axes());
        let Some(place) = placed(axes, place) else {
            let most: Vec<String> = axes.iter().map(|axis| (axis - 1).to_string()).collect();
            let count = output.len().unwrap_or(0).saturating_sub(1);
            let expected =
                format!("a place in its output of {output}: up to {}, or one number up to {count}", most.join(","));
            return refuse("index", format!("{place:?}"), expected);
        };
        let tensor = |role: &str| self.plan.tensor(&format!("{layer}.{role}"));
        let weight = tensor("weight").unwrap_or_default();
        let bias = tensor("bias").map(|bias| bias[if axes.len() == 3 { place[0] } else { place[axes.len() - 1] }]);
        let (weights, sharing) = match &named.layer {
            Layer::Linear(_) => {
                let features = input.last().unwrap_or(0);
                let row = &weight[place[axes.len() - 1] * features..][..features];
                let lead = &place[..axes.len() - 1];
                let connection = |(at, weight): (usize, &f32)| Connection {
                    input: lead.iter().copied().chain([at]).collect(),
                    weight: *weight,
                };
                (row.iter().enumerate().map(connection).collect(), axes[..axes.len() - 1].iter().product())
            }
            Layer::Conv2d(conv) => {
                let shape = conv.params(&inputs)[0].shape.clone();
                let &[_, channels, rows, cols] = &shape[..] else { unreachable!("filters of maps") };
                let (dilation, slides) = (conv.dilation.sizes(), conv.slides(&inputs).unwrap_or_default());
                let first_channel = place[0] / (axes[0] / conv.groups).max(1) * channels;
                let at = |axis: usize, tap: usize| {
                    let slide = slides[axis];
                    let at = (place[axis + 1] * slide.stride + tap * dilation[axis]) as i64 - slide.before;
                    usize::try_from(at).ok().filter(|at| *at < input.axes()[axis + 1])
                };
                let filter = &weight[place[0] * channels * rows * cols..][..channels * rows * cols];
                let mut weights = Vec::new();
                for (tap, weight) in filter.iter().enumerate() {
                    let (channel, row, col) = (tap / (rows * cols), tap / cols % rows, tap % cols);
                    if let (Some(y), Some(x)) = (at(0, row), at(1, col)) {
                        weights.push(Connection { input: vec![first_channel + channel, y, x], weight: *weight });
                    }
                }
                (weights, axes[1] * axes[2])
            }
            other => {
                let expected = "a linear or conv2d layer, whose neurons have weights to show".to_string();
                return refuse("layer", format!("\"{layer}\", a layer of kind {}", other.kind()), expected);
            }
        };
        let value = network.value_of(index);
        let behind = place.iter().skip(1).enumerate();
        let seen: Option<Vec<[usize; 2]>> = behind
            .map(|(axis, at)| {
                let at = *at as i64;
                let range = window::seen(network, value, axis, at..=at)?;
                let last = network.input().axes().get(axis + 1)?.checked_sub(1)? as i64;
                Some([*range.start(), *range.end()].map(|at| at.clamp(0, last) as usize))
            })
            .collect();
        Ok(Neuron {
            layer: layer.to_string(),
            kind: named.layer.kind().to_string(),
            place,
            input_shape: input.axes().to_vec(),
            sharing,
            weights,
            bias,
            sees: seen.unwrap_or_default(),
        })
    }
}

/// A place by its axes, from these or from one number.
fn placed(axes: &[usize], place: &[usize]) -> Option<Vec<usize>> {
    if place.len() == axes.len() {
        return place.iter().zip(axes).all(|(at, axis)| at < axis).then(|| place.to_vec());
    }
    let [flat] = place else { return None };
    let mut rest = *flat;
    let mut found: Vec<usize> = Vec::new();
    for axis in axes.iter().rev() {
        found.push(rest % axis.max(&1));
        rest /= (*axis).max(1);
    }
    found.reverse();
    (rest == 0 && Shape::new(axes).len().is_some_and(|len| *flat < len)).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Context, Network, Params, Task};
    use plexus_nn::layers::{Conv2d, Flatten, Linear, MaxPool2d};

    fn model() -> Model {
        let layers: [Layer; 5] = [
            Conv2d::new(4, [3, 2]).with_stride([2, 1]).with_padding([1, 0]).with_groups(2).into(),
            MaxPool2d::new(2).into(),
            Conv2d::new(3, 2).with_dilation(2).with_bias(false).into(),
            Flatten::default().into(),
            Linear::new(2).into(),
        ];
        let network = Network::chain([2, 12, 9], layers).check().expect("the layers fit");
        let params = Params::initialize(&network, 5);
        let outputs = vec!["a".to_string(), "b".to_string()];
        Model::new(network, &params, Task::Regression { outputs }, Context::single()).expect("it is whole")
    }

    #[test]
    fn a_neuron_is_the_sum_of_its_weights() {
        let model = model();
        let input: Vec<f32> = (0..2 * 12 * 9).map(|at| (at as f32 * 0.37).sin()).collect();
        let mut workspace = Workspace::default();
        for layer in ["layers.0", "layers.2", "layers.4"] {
            let reads = model.reads(layer, &[&input]).expect("one row");
            let latent = model.latent(layer).expect("there is one");
            let outputs = latent.of(&[&input], 1, &mut workspace).expect("one row").to_vec();
            for (at, output) in outputs.iter().enumerate() {
                let neuron = model.neuron(layer, &[at]).expect("it is inside");
                let found = neuron.contributions(&reads).expect("as many as it reads");
                assert!((found.value - output).abs() < 1e-5, "{layer} {at}: {}, {output}", found.value);
                let sum: f32 = found.weights.iter().map(|one| one.product).sum();
                assert!((sum - found.sum).abs() < 1e-5, "{layer} {at}: {sum}, {}", found.sum);
                let bias = neuron.bias.unwrap_or(0.0);
                assert!((found.sum + bias - found.value).abs() < 1e-6, "{layer} {at}: {}, {bias}", found.sum);
                assert_eq!(model.neuron(layer, &neuron.place).expect("the same"), neuron);
            }
        }
    }

    #[test]
    fn it_says_what_it_sees_of_the_input_and_who_shares() {
        let model = model();
        let neuron = model.neuron("layers.0", &[3, 0, 4]).expect("it is inside");
        // The first row of the window is on the padding; the second group reads the second map.
        assert_eq!((neuron.weights.len(), neuron.sharing), (4, 6 * 8));
        assert!(neuron.weights.iter().all(|one| one.input[0] == 1));
        assert_eq!(neuron.sees, [[0, 1], [4, 5]]);
        // Dilated over a pooling: rows 0, 1 and 4, 5 of the first maps, each of them two rows apart.
        let neuron = model.neuron("layers.2", &[0, 0, 0]).expect("it is inside");
        assert_eq!(neuron.sees, [[0, 11], [0, 6]]);
        assert_eq!(model.neuron("layers.4", &[1]).expect("it is inside").sees, [[0usize; 2]; 0]);
    }

    #[test]
    fn values_that_are_not_what_a_layer_reads_are_refused() {
        let model = model();
        let neuron = model.neuron("layers.0", &[0]).expect("it is inside");
        let error = neuron.contributions(&[1.0; 7]).expect_err("seven are too few").to_string();
        assert!(error.contains("7 numbers") && error.contains("216 of them"), "{error}");
        for layer in ["layers.0", "layers.2"] {
            assert!(model.reads(layer, &[&[1.0; 7]]).is_err() && model.reads(layer, &[]).is_err(), "{layer}");
        }
        let error = model.reads("layers.9", &[&[1.0; 216]]).expect_err("there is none").to_string();
        assert!(error.contains("layers.0, layers.1"), "{error}");
    }

    #[test]
    fn what_is_no_neuron_is_refused() {
        let model = model();
        for (layer, place, words) in [
            ("layers.9", &[0][..], "layers.0, layers.1"),
            ("layers.1", &[0], "linear or conv2d"),
            ("layers.0", &[4, 0, 0], "up to 3,5,7"),
            ("layers.0", &[0, 0], "up to 3,5,7"),
            ("layers.4", &[2], "up to 1"),
            ("layers.4", &[], "up to 1"),
        ] {
            let error = model.neuron(layer, place).expect_err(layer).to_string();
            assert!(error.contains(words), "{layer} {place:?}: {error}");
        }
    }
}
