//! The multi-layer perceptron.

use crate::layers::{Activation, Flatten, Layer, Linear};
use crate::network::{NamedLayer, Network};
use crate::shape::Shape;
use plexus_kernels::map::Function;

/// A multi-layer perceptron: linear layers with a function between them, and a linear layer last.
///
/// ```text
/// h⁰ = input        hˡ = f(Wˡ hˡ⁻¹ + bˡ)        output = Wᴸ hᴸ⁻¹ + bᴸ
/// ```
///
/// No hidden layers make a linear model. A sample of several axes is flattened first. Weights and biases start as PyTorch's.
///
/// # Examples
/// ```
/// use plexus_nn::zoo;
/// let network = zoo::mlp([784], &[100], 10, plexus_kernels::map::Function::Relu).check().unwrap();
/// assert_eq!(network.layout().weights_len(), 79_510);
/// ```
pub fn mlp(input: impl Into<Shape>, hidden: &[usize], outputs: usize, function: Function) -> Network {
    let mut layers: Vec<Layer> = Vec::new();
    for &out_features in hidden {
        layers.push(Linear::new(out_features).into());
        layers.push(Activation::new(function).into());
    }
    layers.push(Linear::new(outputs).into());
    let input = input.into();
    let several_axes = input.axes().len() != 1;
    let mut network = Network::chain(input, layers);
    if several_axes {
        network.insert_front("flatten", Flatten::default().into());
    }
    network
}

/// A multi-layer perceptron with several outputs: the hidden layers of [`mlp`], and behind the last of them a linear layer for
/// each output, called by its name.
///
/// # Examples
/// ```
/// use plexus_nn::zoo;
/// let heads = [("price".to_string(), 1), ("kind".to_string(), 3)];
/// let network = zoo::mlp_heads([4], &[8], &heads, plexus_kernels::map::Function::Relu).check().unwrap();
/// assert_eq!(network.outputs().len(), 2);
/// ```
pub fn mlp_heads(input: impl Into<Shape>, hidden: &[usize], heads: &[(String, usize)], function: Function) -> Network {
    let mut network = mlp(input, hidden, 1, function);
    // The only output makes way for the heads.
    network.layers.pop();
    let last = network.layers.last().map_or_else(|| network.inputs[0].name.clone(), |last| last.name.clone());
    for (name, outputs) in heads {
        network.layers.push(NamedLayer {
            name: name.clone(),
            inputs: vec![last.clone()],
            layer: Linear::new(*outputs).into(),
        });
        network.outputs.push(name.clone());
    }
    network
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_the_sum_of_inputs_plus_one_times_outputs() {
        let count = |inputs: usize, hidden: &[usize], outputs: usize| {
            let network = mlp(Shape::new([inputs]), hidden, outputs, Function::Relu).check().unwrap();
            network.layout().weights_len()
        };
        assert_eq!(count(784, &[100], 10), 79_510);
        assert_eq!(count(3, &[4, 4], 1), 41);
        assert_eq!(count(784, &[512, 256], 10), 535_818);
        assert_eq!(count(7, &[], 3), 24);
    }
}
