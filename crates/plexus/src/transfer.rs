//! Transfer: training that goes on from the numbers of a model, of which a part may stay as it is.

use crate::error::Error;
use crate::explain::same_numbers;
use crate::model::Model;
use crate::prepare::{TARGET_EXP, TARGET_SCALE};
use plexus_kernels::Context;
use plexus_nn::layers::Layer;
use plexus_nn::{CheckedNetwork, Network, Params, Plan, Shape, ValueId};
use plexus_train::data::{Features, Source};
use std::sync::Arc;

/// What training starts from: a network, whose numbers are drawn, or a trained model.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Start {
    /// A network.
    Network(Network),
    /// A model.
    Pretrained(Pretrained),
}

impl From<Network> for Start {
    fn from(network: Network) -> Self {
        Start::Network(network)
    }
}

impl From<Pretrained> for Start {
    fn from(pretrained: Pretrained) -> Self {
        Start::Pretrained(pretrained)
    }
}

/// A model that training goes on from: [`Model::pretrained`].
///
/// Nothing is put in front of its inputs: it reads what it was trained on.
///
/// # Examples
/// ```
/// use plexus::layers::{linear, relu};
/// use plexus::{Dataset, Loss, Network, Settings};
/// # let x: Vec<f32> = (0..400).map(|i| ((i * 37) % 101) as f32 / 100.0).collect();
/// # let y: Vec<u32> = x.chunks(2).map(|pair| (pair[0] + pair[1] > 1.0) as u32).collect();
/// # let data = Dataset::classes([2], x.clone(), y, ["no", "yes"])?;
/// # let y: Vec<u32> = x.chunks(2).map(|pair| ((pair[0] + pair[1]) * 1.5) as u32).collect();
/// # let other = Dataset::classes([2], x, y, ["little", "some", "much"])?;
/// let network = Network::chain([2], [linear(8), relu(), linear(2)]);
/// let model = plexus::fit(network, &data, Settings::new(Loss::cross_entropy()).epochs(5), |_| ())?.model;
/// // Three classes instead of two: a new last layer, and the others stay as they are.
/// let start = model.pretrained().with_outputs(3)?.freeze_until("layers.1")?;
/// let fitted = plexus::fit(start, &other, Settings::new(Loss::cross_entropy()).epochs(5), |_| ())?;
/// assert_eq!(fitted.model.tensor("layers.0.weight"), model.tensor("layers.0.weight"));
/// # Ok::<(), plexus::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Pretrained {
    network: Arc<CheckedNetwork>,
    params: Params,
    /// The layer whose numbers are drawn anew.
    fresh: Option<String>,
    freeze_until: Option<String>,
}

impl Model {
    /// The network and the numbers of this model, for training to go on from.
    ///
    /// Layers that lead back from the scale on which a number was learnt are left out: the scale is fitted to the new data.
    pub fn pretrained(&self) -> Pretrained {
        let (checked, params) = (self.network(), self.params());
        let outputs: Vec<ValueId> = checked.outputs().iter().map(|output| without_scale(checked, *output)).collect();
        let mut network = checked.network().clone();
        if outputs != checked.outputs() {
            network.outputs = outputs.iter().map(|output| checked.name(*output).to_string()).collect();
            network = pruned(network);
        }
        let network = Arc::new(network.check().expect("the rest of a network fits as the whole does"));
        let params = same_numbers(&network, &params);
        Pretrained { network, params, fresh: None, freeze_until: None }
    }
}

impl Pretrained {
    /// The network that is trained.
    pub fn network(&self) -> &Arc<CheckedNetwork> {
        &self.network
    }

    /// Puts a new last layer with so many outputs, as many as there are classes, in the place of the old one: the last
    /// linear or conv2d. Its numbers are drawn as those of any new layer. A softmax behind it is left out, because losses
    /// of classes contain it.
    ///
    /// # Errors
    /// [`Error::Setting`] where the network has several outputs, or something else stands between its output and the last
    /// layer with weights.
    pub fn with_outputs(self, outputs: usize) -> Result<Self, Error> {
        let refuse = |why: String| {
            let expected = "left out: only the outputs of a linear or conv2d layer can be replaced".to_string();
            Err(Error::Setting { name: "classes", got: format!("{outputs}, but {why}"), expected, remedy: None })
        };
        let checked = &self.network;
        let [output] = *checked.outputs() else {
            return refuse(format!("the network has {} outputs", checked.outputs().len()));
        };
        let mut network = checked.network().clone();
        let mut value = output;
        loop {
            let Some(index) = checked.layer_of(value) else {
                return refuse("no layer with weights leads to the output".to_string());
            };
            let reads = checked.reads(index);
            match &mut network.layers[index].layer {
                Layer::Linear(linear) => {
                    linear.out_features = outputs;
                    break;
                }
                Layer::Conv2d(conv) => {
                    conv.out_channels = outputs;
                    break;
                }
                _ if reads.len() == 1 && checked.layout().entries_of(index).is_empty() => value = reads[0],
                _ => return refuse(format!("the output comes from {}", checked.label(index))),
            }
        }
        let readout = checked.name(value).to_string();
        // What contains the softmax itself reads the values before it.
        let last = checked.layer_of(output).map(|index| &checked.network().layers[index].layer);
        if matches!(last, Some(Layer::Softmax(_) | Layer::LogSoftmax(_))) {
            let index = checked.layer_of(output).expect("it was one above");
            network.outputs = vec![checked.name(checked.reads(index)[0]).to_string()];
            network = pruned(network);
        }
        let network = Arc::new(network.check()?);
        let mut params = Params::zeros(&network);
        for (entry, values) in self.params.tensors() {
            if checked
                .layout()
                .find(&entry.name)
                .is_none_or(|(index, _)| checked.network().layers[index].name != readout)
            {
                params.set(&entry.name, values);
            }
        }
        Ok(Pretrained { network, params, fresh: Some(readout), ..self })
    }

    /// Leaves a layer and all that it depends on as they are. They then answer as in a prediction, dropout and batch norm
    /// too, and are computed once for each row where the results fit into memory: [`Features`].
    ///
    /// # Errors
    /// [`Error::Setting`] where there is no such layer, or nothing would be left to learn.
    pub fn freeze_until(self, layer: &str) -> Result<Self, Error> {
        let refuse = |expected: String| {
            Err(Error::Setting { name: "freeze_until", got: format!("\"{layer}\""), expected, remedy: None })
        };
        let checked = &self.network;
        let names: Vec<&str> = checked.network().layers.iter().map(|named| named.name.as_str()).collect();
        let Some(value) = checked.value(layer).filter(|value| checked.layer_of(*value).is_some()) else {
            return refuse(format!("a layer of the network: {}", names.join(", ")));
        };
        let head = checked.cut_behind(value).head.check()?;
        if head.layout().weights_len() == 0 {
            return refuse("a layer that leaves others to be trained behind it".to_string());
        }
        let fresh =
            self.fresh.as_ref().filter(|fresh| !head.network().layers.iter().any(|named| named.name == **fresh));
        if let Some(fresh) = fresh {
            return refuse(format!("a layer before \"{fresh}\", which is new and has to be trained"));
        }
        Ok(Pretrained { freeze_until: Some(layer.to_string()), ..self })
    }

    /// Whether its last layer is new.
    pub(crate) fn has_new_outputs(&self) -> bool {
        self.fresh.is_some()
    }

    /// The layer until which it is frozen.
    pub(crate) fn frozen_until(&self) -> Option<&str> {
        self.freeze_until.as_deref()
    }

    /// A few digits that change with the numbers.
    pub(crate) fn fingerprint(&self) -> u32 {
        let numbers = self.params.weights.iter().chain(self.params.state.iter());
        numbers.fold(0, |sum, value| crc32c::crc32c_append(sum, &value.to_le_bytes()))
    }

    /// The same network for samples of another size, where its numbers stay the same: convolutions and poolings take any.
    pub(crate) fn for_inputs(self, shapes: &[Shape]) -> Self {
        let mut network = self.network.network().clone();
        if network.inputs.len() != shapes.len() {
            return self;
        }
        network.inputs.iter_mut().zip(shapes).for_each(|(input, shape)| input.shape = shape.clone());
        match network.check() {
            Ok(network) if network.layout() == self.network.layout() => {
                Pretrained { network: Arc::new(network), ..self }
            }
            // What does not fit is said by who compares data with networks.
            _ => self,
        }
    }

    /// The numbers that training starts with; those of a new layer are drawn from the seed.
    pub(crate) fn params(&self, seed: u64) -> Params {
        let Some(fresh) = &self.fresh else { return self.params.clone() };
        let (layout, drawn) = (self.network.layout(), Params::initialize(&self.network, seed));
        let mut params = self.params.clone();
        for index in (0..self.network.network().layers.len())
            .filter(|index| self.network.network().layers[*index].name == *fresh)
        {
            for entry in layout.entries_of(index) {
                params.set(&entry.name, drawn.by_name(&entry.name).expect("both have the same tensors"));
            }
        }
        params
    }

    /// The part that stays, and the network that is trained, with its numbers out of those of all.
    pub(crate) fn split(&self, params: Params) -> Result<(Option<Frozen>, Arc<CheckedNetwork>, Params), Error> {
        let Some(value) = self.freeze_until.as_ref().and_then(|layer| self.network.value(layer)) else {
            return Ok((None, self.network.clone(), params));
        };
        let parts = self.network.cut_behind(value);
        let (trunk, head) = (Arc::new(parts.trunk.check()?), Arc::new(parts.head.check()?));
        let of_head = same_numbers(&head, &params);
        Ok((Some(Frozen { whole: self.network.clone(), params, trunk, keeps: false }), head, of_head))
    }
}

/// The layers that training leaves as they are.
#[derive(Clone, Debug)]
pub(crate) struct Frozen {
    /// The network, of which the trained part is the rest.
    whole: Arc<CheckedNetwork>,
    /// Of all layers, as training starts.
    params: Params,
    trunk: Arc<CheckedNetwork>,
    /// Whether their results are computed once for each row.
    keeps: bool,
}

impl Frozen {
    /// What these layers make of the rows of a source.
    pub fn features(&mut self, source: Arc<dyn Source>, context: &Context) -> Result<Arc<dyn Source>, Error> {
        let plan = Plan::new(self.trunk.clone(), &same_numbers(&self.trunk, &self.params), context.clone());
        let features = Features::new(source, plan, Features::MOST_BYTES)?;
        self.keeps = features.are_kept();
        Ok(Arc::new(features))
    }

    /// How many numbers stay that training could change.
    #[cfg_attr(not(feature = "table"), expect(dead_code, reason = "runs in folders tell it"))]
    pub fn weights_len(&self) -> usize {
        self.trunk.layout().weights_len()
    }

    /// Whether their results are computed once for each row that is not changed.
    #[cfg_attr(not(feature = "table"), expect(dead_code, reason = "runs in folders tell it"))]
    pub fn keeps(&self) -> bool {
        self.keeps
    }

    /// The whole network, with the numbers of the trained part.
    pub fn joined(&self, trained: &Params) -> (Arc<CheckedNetwork>, Params) {
        let mut params = self.params.clone();
        for (entry, values) in trained.tensors() {
            params.set(&entry.name, values);
        }
        (self.whole.clone(), params)
    }
}

/// The value before the layers that lead from the scale of training to the unit of a target.
fn without_scale(network: &CheckedNetwork, mut value: ValueId) -> ValueId {
    while let Some(index) = network.layer_of(value) {
        let name = network.name(value);
        let last = name.rsplit_once('.').map_or(name, |(_, last)| last);
        match network.reads(index) {
            [read] if [TARGET_SCALE, TARGET_EXP].contains(&last) => value = *read,
            _ => break,
        }
    }
    value
}

/// The network without layers that lead to no output.
fn pruned(network: Network) -> Network {
    let mut needed = network.outputs.clone();
    let mut kept = Vec::new();
    for (index, mut named) in network.layers.iter().cloned().enumerate().rev() {
        if !needed.contains(&named.name) {
            continue;
        }
        if named.inputs.is_empty() {
            let above = index.checked_sub(1).map(|above| network.layers[above].name.clone());
            named.inputs.push(above.unwrap_or_else(|| network.inputs[0].name.clone()));
        }
        needed.extend(named.inputs.iter().cloned());
        kept.push(named);
    }
    kept.reverse();
    Network { layers: kept, ..network }
}
