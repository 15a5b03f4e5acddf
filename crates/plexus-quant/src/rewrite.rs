//! A float network, layer by layer as one of whole numbers.

use crate::error::QuantError;
use crate::product::{Float, Rounded, round};
use crate::range::{FRACTIONS, affine, best_fraction, power};
use crate::scheme::{Options, Scheme};
use crate::statistics::Statistics;
use plexus_kernels::map::{Function, reference};
use plexus_nn::integer::WeightType;
use plexus_nn::layer::LayerKind;
use plexus_nn::layers::{
    Activation, AvgPool2d, Dequantize, Flatten, IntegerAdd, IntegerAvgPool2d, IntegerClamp, IntegerConcat,
    IntegerConv2d, IntegerConvTranspose2d, IntegerLinear, IntegerLookup, IntegerMaxPool2d, IntegerSoftmax, Layer,
    Order, Pair, Quantize, Rescale,
};
use plexus_nn::{CheckedNetwork, DType, NamedLayer, Network, Params, Quant, Tensor, ValueId};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// The integer network, and which of its values is which of the float one.
pub struct Written {
    pub network: Arc<CheckedNetwork>,
    pub params: Params,
    /// Layers of the float network with the values that they became: those of whole numbers, and those that stayed.
    pub values: Vec<(usize, ValueId, String)>,
    /// What the weights of layers of the float network were rounded to, in their order there.
    pub rounded: Vec<(usize, Vec<f32>)>,
    /// The scales of weights of few bits, which are searched for.
    pub searched: BTreeMap<usize, Vec<f32>>,
    pub notes: Vec<String>,
}

/// Under which names a value of the float network can be read.
#[derive(Clone, Default)]
struct Forms {
    float: Option<String>,
    integers: Vec<(Quant, String)>,
}

struct Rewriter<'a> {
    network: &'a CheckedNetwork,
    params: &'a Params,
    statistics: &'a Statistics,
    options: &'a Options,
    forms: Vec<Forms>,
    layers: Vec<NamedLayer>,
    tensors: Vec<Tensor<'static>>,
    names: HashSet<String>,
    /// Which layer made which: the index of the float layer that ends in it, and its name here.
    made: Vec<(usize, String)>,
    /// Layers that are done in the layer before them.
    fused: HashSet<usize>,
    /// Flat values whose numbers stand channels last here, with the maps that they were.
    turned: HashMap<ValueId, [usize; 3]>,
    rounded: Vec<(usize, Vec<f32>)>,
    searched: BTreeMap<usize, Vec<f32>>,
    notes: Vec<String>,
}

/// Replaces layers by their integer forms.
pub fn rewrite(
    network: &Arc<CheckedNetwork>,
    params: &Params,
    statistics: &Statistics,
    options: &Options,
) -> Result<Written, QuantError> {
    if let Some((index, value)) = statistics.first_not_finite(network) {
        return Err(QuantError::ValueNotFinite { layer: network.label(index), value });
    }
    let mut rewriter = Rewriter {
        network,
        params,
        statistics,
        options,
        forms: vec![Forms::default(); network.values().count()],
        layers: Vec::new(),
        tensors: Vec::new(),
        names: HashSet::new(),
        made: Vec::new(),
        fused: HashSet::new(),
        turned: HashMap::new(),
        rounded: Vec::new(),
        searched: BTreeMap::new(),
        notes: Vec::new(),
    };
    for (value, input) in network.values().zip(&network.network().inputs) {
        rewriter.names.insert(input.name.clone());
        rewriter.forms[value.index()].float = Some(input.name.clone());
    }
    rewriter.names.extend(network.network().layers.iter().map(|named| named.name.clone()));
    for index in 0..network.network().layers.len() {
        if !rewriter.fused.contains(&index) {
            rewriter.layer(index)?;
        }
    }
    rewriter.finish()
}

impl Rewriter<'_> {
    fn named(&self, index: usize) -> &NamedLayer {
        &self.network.network().layers[index]
    }

    /// A name that nothing has yet.
    fn new_name(&mut self, wanted: &str) -> String {
        let names = std::iter::once(wanted.to_string()).chain((2..).map(|count| format!("{wanted}.{count}")));
        let name = names.into_iter().find(|name| !self.names.contains(name)).expect("there are more names than layers");
        self.names.insert(name.clone());
        name
    }

    fn push(&mut self, name: &str, inputs: Vec<String>, layer: impl Into<Layer>) {
        self.layers.push(NamedLayer::new(name, layer).with_inputs(inputs));
    }

    fn tensor(&mut self, layer: &str, role: &str, shape: Vec<usize>, values: Vec<f32>) {
        self.tensors.push(Tensor { name: format!("{layer}.{role}"), shape, values: Cow::Owned(values) });
    }

    /// The name of a value as floats.
    fn float(&mut self, value: ValueId) -> String {
        if let Some(name) = &self.forms[value.index()].float {
            return name.clone();
        }
        let (_, from) = self.forms[value.index()].integers[0].clone();
        let name = self.new_name(&format!("{}.float", self.network.name(value)));
        self.push(&name, vec![from], Dequantize::new());
        self.forms[value.index()].float = Some(name.clone());
        name
    }

    /// What whole numbers of a type stand for, for a value.
    fn quant(&self, value: ValueId, dtype: DType) -> Quant {
        let statistics = self.statistics.value(value);
        if self.options.scheme.is_power_of_two() {
            let bars: Vec<(f64, u64)> = statistics.bars().collect();
            return power(dtype, best_fraction(dtype, &bars, *FRACTIONS.end()));
        }
        affine(dtype, self.options.calibration.range(statistics))
    }

    /// The name of a value as whole numbers of a type, and what they stand for.
    fn integer(&mut self, value: ValueId, dtype: DType) -> (Quant, String) {
        if let Some(form) = self.forms[value.index()].integers.iter().find(|(quant, _)| quant.dtype == dtype) {
            return form.clone();
        }
        let quant = self.quant(value, dtype);
        self.integer_as(value, quant)
    }

    /// The name of a value as whole numbers that stand for this.
    fn integer_as(&mut self, value: ValueId, quant: Quant) -> (Quant, String) {
        let forms = &self.forms[value.index()];
        if let Some(form) = forms.integers.iter().find(|(other, _)| *other == quant) {
            return form.clone();
        }
        let own = self.network.name(value).to_string();
        let name = match (forms.integers.first().cloned(), &forms.float) {
            (Some((_, from)), _) => {
                let name = self.new_name(&format!("{own}.rescale"));
                self.push(&name, vec![from], Rescale::new(quant));
                name
            }
            (None, float) => {
                let from = float.clone().expect("a value is there before it is read");
                let name = self.new_name(&format!("{own}.quantize"));
                self.push(&name, vec![from], Quantize::new(quant));
                name
            }
        };
        self.forms[value.index()].integers.push((quant, name.clone()));
        (quant, name)
    }

    /// The only layer that reads a value which does not come out of the network.
    fn only_reader(&self, value: ValueId) -> Option<usize> {
        if self.network.outputs().contains(&value) {
            return None;
        }
        let mut readers = self.readers(value);
        let first = readers.next()?;
        readers.next().is_none().then_some(first)
    }

    fn readers(&self, value: ValueId) -> impl Iterator<Item = usize> + use<'_> {
        let layers = 0..self.network.network().layers.len();
        layers.flat_map(move |index| {
            let times = self.network.reads(index).iter().filter(|read| **read == value).count();
            std::iter::repeat_n(index, times)
        })
    }

    /// The relu behind a layer, if it can be done in it: the layer that ends there.
    fn fuse(&mut self, index: usize) -> (usize, bool) {
        let behind = self.only_reader(self.network.value_of(index)).filter(|reader| {
            let relu =
                matches!(&self.named(*reader).layer, Layer::Activation(Activation { activation: Function::Relu, .. }));
            relu && !self.options.is_float(&self.named(*reader).name)
        });
        match behind {
            Some(relu) => {
                self.fused.insert(relu);
                (relu, true)
            }
            None => (index, false),
        }
    }

    /// The name of a layer of whole numbers: its own, unless its value comes out of the network, as floats of that name.
    fn integer_name(&mut self, index: usize, value: ValueId) -> String {
        let name = self.named(index).name.clone();
        match self.network.outputs().contains(&value) {
            true => self.new_name(&format!("{name}.integer")),
            false => name,
        }
    }

    /// Notes down what a layer made: whole numbers for the value of the layer that ends in it.
    fn gives(&mut self, end: usize, quant: Quant, name: String) {
        self.made.push((end, name.clone()));
        self.has(end, quant, name);
    }

    /// Notes down under which name a value can be read as whole numbers.
    fn has(&mut self, end: usize, quant: Quant, name: String) {
        let value = self.network.value_of(end);
        self.forms[value.index()].integers.push((quant, name));
        if self.network.outputs().contains(&value) && self.forms[value.index()].float.is_none() {
            let (_, from) = self.forms[value.index()].integers[0].clone();
            let name = self.named(end).name.clone();
            self.push(&name, vec![from], Dequantize::new());
            self.forms[value.index()].float = Some(name);
        }
    }

    fn layer(&mut self, index: usize) -> Result<(), QuantError> {
        let NamedLayer { name, layer, .. } = self.named(index).clone();
        if self.options.is_float(&name) {
            self.stays_float(index);
            return Ok(());
        }
        let scheme = self.options.scheme_of(&name);
        let read = self.network.reads(index)[0];
        let shape = self.network.shape(read).clone();
        match &layer {
            Layer::Linear(_) | Layer::Conv2d(_) | Layer::ConvTranspose2d(_) => return self.product(index, scheme),
            Layer::Activation(Activation { activation, .. }) => self.function(index, *activation, scheme),
            Layer::MaxPool2d(pool) => self.keeps(index, scheme, IntegerMaxPool2d::new(*pool)),
            Layer::AvgPool2d(pool) => {
                let integer = self.average(*pool, scheme);
                // Zeros of a padding that count have no integer form.
                match integer.infer(&[&shape]) {
                    Ok(_) => self.keeps(index, scheme, integer),
                    Err(_) => self.stays_float(index),
                }
            }
            Layer::GlobalAvgPool(_) => self.global_average(index, scheme),
            Layer::Flatten(flatten) => self.flatten(index, *flatten),
            // These only rename axes, or do nothing in a prediction.
            Layer::Reshape(_) | Layer::Unflatten(_) | Layer::Dropout(_) => self.passes(index, &layer),
            // Of longer rows there is no integer form.
            Layer::Softmax(softmax) if IntegerSoftmax::new(*softmax).infer(&[&shape]).is_err() => {
                self.stays_float(index)
            }
            Layer::Softmax(softmax) => {
                let (input, from) = self.integer(read, scheme.activation());
                if !(2f32.powi(-26)..16.0).contains(&input.scale) {
                    self.stays_float(index);
                    return Ok(());
                }
                let integer = IntegerSoftmax::new(*softmax);
                let own = self.integer_name(index, self.network.value_of(index));
                self.push(&own, vec![from], integer);
                self.gives(index, IntegerSoftmax::output(input.dtype), own);
            }
            Layer::Add(_) if self.network.reads(index).len() == 2 => self.add(index, scheme),
            Layer::Concat(concat) => {
                let quant = self.quant(self.network.value_of(index), scheme.activation());
                let reads = self.network.reads(index).to_vec();
                let from = reads.into_iter().map(|read| self.integer_as(read, quant).1).collect();
                let own = self.integer_name(index, self.network.value_of(index));
                self.push(&own, from, IntegerConcat::new(*concat));
                self.gives(index, quant, own);
            }
            _ => self.stays_float(index),
        }
        Ok(())
    }

    /// A layer without an integer form.
    fn stays_float(&mut self, index: usize) {
        let reads = self.network.reads(index).to_vec();
        let from = reads.into_iter().map(|read| self.float(read)).collect();
        let NamedLayer { name, layer, .. } = self.named(index).clone();
        self.push(&name, from, layer);
        for entry in self.network.layout().entries_of(index) {
            let values = self.params.values(entry).to_vec();
            self.tensors.push(Tensor {
                name: format!("{name}.{}", entry.role),
                shape: entry.shape.clone(),
                values: Cow::Owned(values),
            });
        }
        self.made.push((index, name.clone()));
        self.forms[self.network.value_of(index).index()].float = Some(name);
    }

    /// A layer whose outputs stand for what its inputs do.
    fn keeps(&mut self, index: usize, scheme: Scheme, layer: impl Into<Layer>) {
        let (quant, from) = self.integer(self.network.reads(index)[0], scheme.activation());
        let name = self.integer_name(index, self.network.value_of(index));
        self.push(&name, vec![from], layer);
        self.gives(index, quant, name);
    }

    fn average(&self, pool: AvgPool2d, scheme: Scheme) -> IntegerAvgPool2d {
        // CMSIS's own average cuts the quotient off.
        IntegerAvgPool2d::new(pool).with_truncate(scheme == Scheme::Q7)
    }

    fn global_average(&mut self, index: usize, scheme: Scheme) {
        let read = self.network.reads(index)[0];
        let &[_, height, width] = self.network.shape(read).axes() else { return self.stays_float(index) };
        let (quant, from) = self.integer(read, scheme.activation());
        let pool = self.average(AvgPool2d::new(Pair::Each([height, width])), scheme);
        let pooled = self.new_name(&format!("{}.pool", self.named(index).name));
        self.push(&pooled, vec![from], pool);
        let name = self.integer_name(index, self.network.value_of(index));
        self.push(&name, vec![pooled], Flatten::new());
        self.gives(index, quant, name);
    }

    /// A layer that works on numbers of any type: floats stay floats.
    fn passes(&mut self, index: usize, layer: &Layer) {
        let read = self.network.reads(index)[0];
        let Some((quant, from)) = self.forms[read.index()].integers.first().cloned() else {
            return self.stays_float(index);
        };
        let name = self.integer_name(index, self.network.value_of(index));
        self.push(&name, vec![from], layer.clone());
        self.has(index, quant, name);
    }

    /// Maps lie channels last; where only fully connected layers read what is flattened, their weights are put into that order, so that
    /// nothing has to be moved.
    fn flatten(&mut self, index: usize, flatten: Flatten) {
        let (read, value) = (self.network.reads(index)[0], self.network.value_of(index));
        let maps = match *self.network.shape(read).axes() {
            [channels, height, width] if channels > 1 && height * width > 1 => Some([channels, height, width]),
            _ => None,
        };
        let linear = |reader: usize| {
            let named = self.named(reader);
            matches!(named.layer, Layer::Linear(_)) && !self.options.is_float(&named.name)
        };
        let turns = flatten.order == Order::ChannelsFirst
            && !self.forms[read.index()].integers.is_empty()
            && !self.network.outputs().contains(&value)
            && self.readers(value).all(linear);
        match maps.filter(|_| turns) {
            Some(maps) => {
                self.turned.insert(value, maps);
                self.passes(index, &Flatten::new().with_order(Order::ChannelsLast).into());
            }
            None => self.passes(index, &flatten.into()),
        }
    }

    fn add(&mut self, index: usize, scheme: Scheme) {
        let reads = self.network.reads(index).to_vec();
        let dtype = scheme.activation();
        let from: Vec<String> = reads.into_iter().map(|read| self.integer(read, dtype).1).collect();
        let (end, relu) = self.fuse(index);
        let quant = self.quant(self.network.value_of(end), dtype);
        let layer = IntegerAdd::new(quant);
        let layer = if relu { layer.with_clamp([quant.zero_point, quant.range()[1]]) } else { layer };
        let name = self.integer_name(index, self.network.value_of(end));
        self.push(&name, from, layer);
        self.gives(end, quant, name);
    }

    /// A function of each element, where it could not be done in the layer before.
    fn function(&mut self, index: usize, function: Function, scheme: Scheme) {
        let (read, value) = (self.network.reads(index)[0], self.network.value_of(index));
        let (input, from) = self.integer(read, scheme.activation());
        let name = self.integer_name(index, value);
        if function == Function::Relu {
            self.push(&name, vec![from], IntegerClamp::new([input.zero_point, input.range()[1]]));
            return self.gives(index, input, name);
        }
        let output = match (function, input.dtype) {
            (Function::Identity, _) => input,
            // What these can give is known.
            (Function::Sigmoid, DType::I8) if !scheme.is_power_of_two() => Quant::new(DType::I8, 1.0 / 256.0, -128),
            (Function::Sigmoid | Function::Tanh, DType::I16) => Quant::new(DType::I16, 1.0 / 32768.0, 0),
            (Function::Sigmoid | Function::Tanh, _) => Quant::new(DType::I8, 1.0 / 128.0, 0),
            _ => self.quant(value, input.dtype),
        };
        let table = IntegerLookup::table(input, output, |x| reference::apply(function, f64::from(x)) as f32);
        self.push(&name, vec![from], IntegerLookup::new(output));
        let entries = IntegerLookup::entries(input.dtype);
        self.tensor(&name, "table", vec![entries], table.into_iter().map(|entry| entry as f32).collect());
        self.gives(index, output, name);
    }

    /// Fully connected layers and convolutions.
    fn product(&mut self, index: usize, scheme: Scheme) -> Result<(), QuantError> {
        let (network, params) = (self.network, self.params);
        let read = network.reads(index)[0];
        let layer = self.named(index).layer.clone();
        let entries = network.layout().entries_of(index);
        for entry in entries {
            if let Some(at) = params.values(entry).iter().position(|value| !value.is_finite()) {
                let value = params.values(entry)[at];
                return Err(QuantError::WeightNotFinite { tensor: entry.name.clone(), at, value });
            }
        }
        let of_role = |role: &str| entries.iter().find(|entry| entry.role == role).map(|entry| params.values(entry));
        let axes = entries[0].shape.clone();
        let mut weight = Cow::Borrowed(of_role("weight").unwrap_or_default());
        if let Some([channels, height, width]) = self.turned.get(&read).copied() {
            weight = Cow::Owned(turned(&weight, channels, height * width));
        }
        let (outputs, transposed_groups) = match &layer {
            Layer::ConvTranspose2d(conv) => (conv.out_channels, Some(conv.groups)),
            _ => (axes[0], None),
        };
        let (own, taps) = (axes[1].max(1), axes[2..].iter().product::<usize>().max(1));
        let groups = match &layer {
            Layer::Conv2d(conv) => conv.groups,
            _ => 1,
        };
        let place = move |at: usize| match transposed_groups {
            // [channels, outputs of a group, taps]
            Some(groups) => {
                let channel = at / taps / own;
                let group = channel / (axes[0] / groups).max(1);
                [group * own + at / taps % own, channel]
            }
            // [outputs, channels of a group, taps]
            None => {
                let output = at / taps / own;
                let group = output / (outputs / groups).max(1);
                [output, group * own + at / taps % own]
            }
        };
        let output_of: Vec<u32> = match transposed_groups {
            Some(_) => (0..weight.len()).map(|at| place(at)[0] as u32).collect(),
            // Those of an output stand side by side.
            None => (0..outputs as u32).flat_map(|output| std::iter::repeat_n(output, own * taps)).collect(),
        };
        let (input, from) = self.integer(read, scheme.activation());
        let (end, relu) = self.fuse(index);
        let mut means = Cow::Borrowed(&self.statistics.value(read).means);
        if let Some([channels, height, width]) = self.turned.get(&read) {
            let from: Vec<f64> = means.to_vec();
            let pixels = height * width;
            means = Cow::Owned((0..from.len()).map(|at| from[at % channels * pixels + at / channels]).collect());
        }
        let float = Float {
            label: network.label(index),
            weight: &weight,
            bias: of_role("bias"),
            outputs,
            output_of: &output_of,
            place: &place,
            input,
            means: &means,
            output: self.statistics.value(network.value_of(end)),
            weight_scale: self.statistics.weight_scale(index),
        };
        let Rounded { integers, weight, values, bias, weight_scale, widened } = round(&float, scheme, self.options)?;
        let mut told = values;
        if let Some([channels, height, width]) = self.turned.get(&read).copied() {
            // The way back: a row of channels last has as many channels as that of channels first has pixels.
            told = turned(&told, height * width, channels);
        }
        self.rounded.push((index, told));
        if let Some(scales) = weight_scale.as_ref().filter(|_| integers.weight == WeightType::I4) {
            self.searched.insert(index, scales.clone());
        }
        if widened {
            self.notes.push(format!("{}: 32-bit sums could wrap, so its sums have 64 bits.", network.label(index)));
        }
        let quant = integers.output;
        let integers = if relu { integers.with_clamp([quant.zero_point, quant.range()[1]]) } else { integers };
        let name = self.integer_name(index, network.value_of(end));
        let layer: Layer = match layer {
            Layer::Linear(linear) => IntegerLinear::new(linear, integers).into(),
            Layer::Conv2d(conv) => IntegerConv2d::new(conv, integers).into(),
            Layer::ConvTranspose2d(conv) => IntegerConvTranspose2d::new(conv, integers).into(),
            _ => unreachable!("called for these"),
        };
        self.push(&name, vec![from], layer);
        self.tensor(&name, "weight", entries[0].shape.clone(), weight);
        if let Some(bias) = bias {
            self.tensor(&name, "bias", vec![bias.len()], bias);
        }
        if let Some(scales) = weight_scale {
            self.tensor(&name, "weight_scale", vec![scales.len()], scales);
        }
        self.gives(end, quant, name);
        Ok(())
    }

    fn finish(mut self) -> Result<Written, QuantError> {
        let outputs = self.network.outputs().to_vec();
        let outputs: Vec<String> = outputs.into_iter().map(|value| self.float(value)).collect();
        let integer = self.layers.iter().any(|named| {
            matches!(named.layer, Layer::IntegerLinear(_) | Layer::IntegerConv2d(_) | Layer::IntegerConvTranspose2d(_))
        });
        if !integer {
            let mut kinds: Vec<&str> = self.network.network().layers.iter().map(|named| named.layer.kind()).collect();
            kinds.sort_unstable();
            kinds.dedup();
            return Err(QuantError::NothingToDo { kinds: kinds.join(", ") });
        }
        let network = Network { inputs: self.network.network().inputs.clone(), layers: self.layers, outputs };
        let refused = |error| QuantError::Network(Box::new(error));
        let network = Arc::new(network.check().map_err(refused)?);
        let params = Params::from_tensors(&network, &self.tensors).map_err(refused)?;
        let value = |name: &str| network.value(name).expect("the layer was written");
        let values = self.made.into_iter().map(|(end, name)| (end, value(&name), name)).collect();
        Ok(Written { network, params, values, rounded: self.rounded, searched: self.searched, notes: self.notes })
    }
}

/// The columns of a weight that belong to maps channels first, channels last.
fn turned(weight: &[f32], channels: usize, pixels: usize) -> Vec<f32> {
    let mut turned = Vec::with_capacity(weight.len());
    for row in weight.chunks_exact(channels * pixels) {
        turned.extend((0..row.len()).map(|at| row[at % channels * pixels + at / channels]));
    }
    turned
}
