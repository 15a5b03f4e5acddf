//! From color to gray: a model that reads one channel and answers as the one of three does where all three are equal.

use crate::error::Error;
use crate::model::Model;
use plexus_nn::layers::Layer;
use plexus_nn::{Params, Shape};

impl Model {
    /// The same model for gray pictures: the weights of the convolutions that read the three channels are summed over them.
    ///
    /// ```text
    /// gray weight[o, 0, y, x] = Σ over channels c of weight[o, c, y, x]
    /// ```
    ///
    /// It answers a gray picture as this model answers the picture with three equal channels, but for rounding. Between the
    /// input and those convolutions may stand what treats all channels alike: standardize with one mean, activations,
    /// dropout, pooling.
    ///
    /// # Errors
    /// [`Error::Mismatch`] where the first input is not `[3, height, width]`, or something else reads its channels.
    ///
    /// # Examples
    /// ```
    /// use plexus::{Context, Model, Network, Params, Task, layers::Conv2d};
    /// let network = Network::chain([3, 1, 1], [Conv2d::new(1, 1).into()]).check()?;
    /// let mut params = Params::zeros(&network);
    /// params.set("layers.0.weight", &[0.5, 2.0, 0.25]);
    /// let task = Task::Regression { outputs: vec!["light".into()] };
    /// let gray = Model::new(network, &params, task, Context::single())?.to_gray()?;
    /// assert_eq!(gray.predict(&[2.0], 1, &mut Default::default())?, [5.5]);
    /// # Ok::<(), plexus::Error>(())
    /// ```
    pub fn to_gray(&self) -> Result<Model, Error> {
        let refuse = |data: String| {
            Err(Error::Mismatch {
                what: "the channels of the input",
                model: "three, which convolutions read".to_string(),
                data,
                help: "Only the weights of convolutions can be summed over the channels.".to_string(),
            })
        };
        let network = self.network();
        let &[3, height, width] = network.input().axes() else { return refuse(network.input().to_string()) };
        let mut changed = network.network().clone();
        changed.inputs[0].shape = Shape::new([1, height, width]);
        // Values whose channels are those of the input.
        let mut of_input = vec![network.values().next().expect("there is an input")];
        let mut summed = Vec::new();
        for (index, named) in network.network().layers.iter().enumerate() {
            let reads_input = network.reads(index).iter().any(|value| of_input.contains(value));
            match &named.layer {
                _ if !reads_input => {}
                Layer::Standardize(layer) if !layer.per_feature => of_input.push(network.value_of(index)),
                Layer::Activation(_) | Layer::Dropout(_) | Layer::MaxPool2d(_) | Layer::AvgPool2d(_) => {
                    of_input.push(network.value_of(index));
                }
                Layer::Conv2d(conv) if conv.groups == 1 => {
                    let mut conv = *conv;
                    conv.in_channels = conv.in_channels.map(|_| 1);
                    changed.layers[index].layer = conv.into();
                    summed.push(format!("{}.weight", named.name));
                }
                _ => return refuse(format!("{}, which reads them too", network.label(index))),
            }
        }
        if network.outputs().iter().any(|output| of_input.contains(output)) {
            return refuse("an output with those channels".to_string());
        }
        let changed = changed.check()?;
        let (from, mut params) = (self.params(), Params::zeros(&changed));
        for (entry, values) in from.tensors() {
            if !summed.contains(&entry.name) {
                params.set(&entry.name, values);
                continue;
            }
            let taps: usize = entry.shape[2..].iter().product();
            let filters = values.chunks_exact(3 * taps);
            let sum = |filter: &[f32], tap: usize| {
                (0..3).map(|channel| f64::from(filter[channel * taps + tap])).sum::<f64>() as f32
            };
            let sums: Vec<f32> = filters.flat_map(|filter| (0..taps).map(move |tap| sum(filter, tap))).collect();
            params.set(&entry.name, &sums);
        }
        let model = Model::new(changed, &params, self.outputs().to_vec(), self.plan.context().clone())?;
        let mut metadata = self.metadata().clone();
        #[cfg(feature = "images")]
        if let Some(form) = self.image_form() {
            let form = plexus_train::data::ImageForm { channels: 1, ..form };
            metadata
                .insert(Model::IMAGES.to_string(), serde_json::to_string(&form).expect("plain data has a JSON form"));
        }
        metadata.retain(|key, _| key != "plexus.split");
        Ok(model.with_metadata(metadata))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Context, Task, Workspace};
    use plexus_kernels::map::Function;
    use plexus_nn::Network;
    use plexus_nn::layers::{Activation, BatchNorm, Conv2d, Flatten, Linear, MaxPool2d, Standardize};

    fn model(layers: Vec<Layer>) -> Model {
        let network = Network::chain([3, 6, 5], layers).check().expect("the layers fit");
        let mut params = Params::initialize(&network, 5);
        if params.by_name("layers.0.mean").is_some() {
            params.set("layers.0.mean", &[0.3]);
            params.set("layers.0.scale", &[1.7]);
        }
        let outputs = (0..network.output_len()).map(|index| index.to_string()).collect();
        Model::new(network, &params, Task::Regression { outputs }, Context::single()).expect("they belong together")
    }

    #[test]
    fn a_gray_model_answers_as_that_of_three_equal_channels() {
        let color = model(vec![
            Standardize::new().into(),
            Activation::new(Function::Tanh).into(),
            MaxPool2d::new(2).into(),
            Conv2d::new(4, 2).with_padding(1).into(),
            Flatten::default().into(),
            Linear::new(3).into(),
        ]);
        let gray = color.to_gray().expect("convolutions alone read the channels");
        assert_eq!(gray.network().input().axes(), [1, 6, 5]);
        let picture: Vec<f32> = (0..60).map(|at| (at as f32 * 0.37).sin()).collect();
        let three: Vec<f32> = picture.chunks(30).flat_map(|one| one.repeat(3)).collect();
        let (mut first, mut second) = (Workspace::default(), Workspace::default());
        let want = color.predict(&three, 2, &mut first).expect("it fits");
        let got = gray.predict(&picture, 2, &mut second).expect("it fits");
        assert!(want.iter().zip(got).all(|(want, got)| (want - got).abs() < 1e-5), "{want:?} {got:?}");
    }

    #[test]
    fn s26_the_kernels_of_the_first_layer_are_summed_over_the_channels() {
        let color = model(vec![Conv2d::new(2, 2).into(), Conv2d::new(3, 1).into()]);
        let gray = color.to_gray().expect("convolutions alone read the channels");
        let (three, one) = (color.params(), gray.params());
        let (from, to) = (three.by_name("layers.0.weight").unwrap(), one.by_name("layers.0.weight").unwrap());
        assert_eq!((from.len(), to.len()), (2 * 3 * 4, 2 * 4));
        for (filter, sums) in from.chunks(12).zip(to.chunks(4)) {
            for tap in 0..4 {
                let sum: f64 = (0..3).map(|channel| f64::from(filter[channel * 4 + tap])).sum();
                assert_eq!(sums[tap], sum as f32);
            }
        }
        for name in ["layers.0.bias", "layers.1.weight", "layers.1.bias"] {
            assert_eq!(three.by_name(name), one.by_name(name), "{name}");
        }
    }

    #[test]
    fn what_cannot_be_summed_is_said() {
        let says = |layers| model(layers).to_gray().expect_err("is refused").to_string();
        assert!(says(vec![Flatten::default().into(), Linear::new(2).into()]).contains("which reads them too"));
        assert!(says(vec![BatchNorm::default().into(), Conv2d::new(2, 1).into()]).contains("which reads them too"));
        let gray = model(vec![Conv2d::new(1, 1).into()]).to_gray().expect("it is summed");
        assert!(gray.to_gray().expect_err("it is gray").to_string().contains("[1, 6, 5]"));
    }
}
