//! The way forward: which layers run, fused with what, and in which layout.

use super::{Home, Op, Port, Program, Purpose, Tensor, has_layouts, needed};
use crate::check::{CheckedNetwork, ValueId};
use crate::fold;
use crate::layer::{Layout, Maps, Saved};
use crate::layers::Layer;
use crate::view::DType;
use plexus_kernels::map::Function;

/// What is read of a network while its program is made.
struct Builder<'a> {
    network: &'a CheckedNetwork,
    purpose: &'a Purpose,
    /// For each layer into which it is folded.
    folded: Vec<Option<usize>>,
    /// For each value the one that holds its numbers: itself, or what enters the layers that change nothing.
    roots: Vec<ValueId>,
    /// Layers that read a root, once for each time.
    readers: Vec<Vec<usize>>,
    /// Whether a value comes out, is looked at, or is read by such.
    needed: Vec<bool>,
    /// Whether a root comes out or is looked at.
    watched: Vec<bool>,
    /// For each value its tensor channels first, and channels last.
    homes: Vec<[Option<usize>; 2]>,
    program: Program,
}

/// The forward part of the program of a network.
pub(super) fn program(network: &CheckedNetwork, purpose: &Purpose) -> Program {
    let count = network.values().count();
    let program = Program {
        values: vec![None; count],
        tensors: Vec::new(),
        ops: Vec::new(),
        forward: 0,
        outputs: Vec::new(),
        kept: purpose.keep.clone(),
        output_grads: Vec::new(),
        input_grads: Vec::new(),
        idle: Vec::new(),
        fixed_bytes: 0,
        row_bytes: 0,
    };
    let mut builder = Builder {
        network,
        purpose,
        folded: fold::targets(network, &purpose.folds),
        roots: network.values().collect(),
        readers: vec![Vec::new(); count],
        needed: if purpose.one_by_one { vec![true; count] } else { needed(network, &purpose.keep) },
        watched: vec![false; count],
        homes: vec![[None; 2]; count],
        program,
    };
    builder.find_readers();
    builder.build();
    builder.program
}

fn layer(network: &CheckedNetwork, index: usize) -> &Layer {
    &network.network().layers[index].layer
}

impl Builder<'_> {
    /// Whether a layer is left out; its shape may differ all the same.
    fn is_identity(&self, index: usize) -> bool {
        let Purpose { training, settled, .. } = *self.purpose;
        self.folded[index].is_some() || layer(self.network, index).is_identity(training && !settled)
    }

    /// Finds roots and readers.
    fn find_readers(&mut self) {
        let network = self.network;
        let layers = network.network().layers.len();
        for index in 0..layers {
            let (value, reads) = (network.value_of(index), network.reads(index));
            if !self.needed[value.index()] {
                continue;
            }
            if self.is_identity(index) && network.shape(reads[0]) == network.shape(value) {
                self.roots[value.index()] = self.roots[reads[0].index()];
                continue;
            }
            for read in reads {
                self.readers[self.roots[read.index()].index()].push(index);
            }
        }
        for value in network.outputs().iter().chain(&self.purpose.keep) {
            self.watched[self.roots[value.index()].index()] = true;
        }
    }

    fn build(&mut self) {
        let network = self.network;
        for (index, input) in network.network().inputs.iter().enumerate() {
            let per_row = input.shape.len().unwrap_or(0) * DType::F32.size();
            let tensor = Tensor { dtype: DType::F32, per_row, fixed: 0, home: Home::Input(index) };
            self.homes[index][0] = Some(self.program.add(tensor));
        }
        let layers = network.network().layers.len();
        let mut fused = vec![false; layers];
        for index in 0..layers {
            let value = network.value_of(index);
            if fused[index] || self.roots[value.index()] != value || !self.needed[value.index()] {
                continue;
            }
            if self.is_identity(index) {
                // Other axes for the same numbers, in the order that the layer says.
                let source = self.roots[network.reads(index)[0].index()];
                let last = layer(network, index).maps() == Maps::Last;
                let wanted = if last { Layout::ChannelsLast } else { Layout::ChannelsFirst };
                let tensor = self.port(source, wanted).tensor;
                let home = usize::from(last && has_layouts(network.shape(value)));
                self.homes[value.index()][home] = Some(tensor);
                continue;
            }
            self.emit(index, &mut fused);
        }
        for value in network.values() {
            let [first, last] = self.homes[self.roots[value.index()].index()];
            let first = first.map(|tensor| Port { tensor, value, layout: Layout::ChannelsFirst });
            let last = last.map(|tensor| Port { tensor, value, layout: Layout::ChannelsLast });
            self.program.values[value.index()] = last.or(first);
        }
        for value in self.purpose.folds.iter().flat_map(|fold| fold.hidden(network)) {
            self.program.values[value.index()] = None;
        }
        for &value in network.outputs() {
            let port = self.port(self.roots[value.index()], Layout::ChannelsFirst);
            let port = Port { value, ..port };
            // A copy of what belongs to the caller, and of what comes out twice: each has a gradient of its own.
            let taken = self.program.outputs.iter().any(|other| other.tensor == port.tensor);
            let port = match self.program.tensors[port.tensor].home {
                Home::Arena(_) if !taken => port,
                _ => {
                    let to = self.program.add_for(network, value, Layout::ChannelsFirst);
                    self.program.ops.push(Op::Reorder { from: port, to });
                    to
                }
            };
            self.program.outputs.push(port);
        }
        self.program.forward = self.program.ops.len();
    }

    /// Where a value is read in a layout; it is brought into that layout where it is not.
    fn port(&mut self, value: ValueId, wanted: Layout) -> Port {
        let layouts = [Layout::ChannelsFirst, Layout::ChannelsLast];
        let index = usize::from(wanted == Layout::ChannelsLast && has_layouts(self.network.shape(value)));
        if let Some(tensor) = self.homes[value.index()][index] {
            return Port { tensor, value, layout: layouts[index] };
        }
        let tensor = self.homes[value.index()][1 - index].expect("a layer reads what was computed before it");
        let from = Port { tensor, value, layout: layouts[1 - index] };
        let to = self.program.add_for(self.network, value, wanted);
        self.program.ops.push(Op::Reorder { from, to });
        self.homes[value.index()][index] = Some(to.tensor);
        to
    }

    /// The only reader of a value, where nobody looks at it.
    fn only_reader(&self, value: ValueId) -> Option<usize> {
        match self.readers[value.index()].as_slice() {
            [reader] if !self.watched[value.index()] && !self.purpose.one_by_one => Some(*reader),
            _ => None,
        }
    }

    /// Writes down one layer with what is fused into it.
    fn emit(&mut self, index: usize, fused: &mut [bool]) {
        let (network, training) = (self.network, self.purpose.training);
        let this = layer(network, index);
        let shapes = network.input_shapes(index);
        let (mut value, mut function, mut pooling) = (network.value_of(index), Function::Identity, false);
        if this.fuses_function()
            && let Some(reader) = self.only_reader(value)
            && let Some(behind) = layer(network, reader).function()
            && (!training || behind.derivative_from_output())
        {
            (value, function) = (network.value_of(reader), behind);
            fused[reader] = true;
        }
        if this.fuses_pooling(&shapes)
            && let Some(reader) = self.only_reader(value)
            && layer(network, reader).is_two_by_two_max()
        {
            (value, pooling) = (network.value_of(reader), true);
            fused[reader] = true;
        }
        let sources: Vec<ValueId> = network.reads(index).iter().map(|read| self.roots[read.index()]).collect();
        let layout = match this.maps() {
            Maps::First => Layout::ChannelsFirst,
            Maps::Last => Layout::ChannelsLast,
            Maps::Any if sources.iter().any(|source| self.homes[source.index()][1].is_some()) => Layout::ChannelsLast,
            Maps::Any => Layout::ChannelsFirst,
        };
        let mut reads: Vec<Port> = sources.iter().map(|source| self.port(*source, layout)).collect();
        // Of the same numbers a layer sees the shape of the value that it names.
        for (port, read) in reads.iter_mut().zip(network.reads(index)) {
            port.value = *read;
        }
        let has_layouts = has_layouts(network.shape(value));
        let layout = if has_layouts { layout } else { Layout::ChannelsFirst };
        let mut output = self.program.add_for(network, value, layout);
        self.homes[value.index()][usize::from(layout == Layout::ChannelsLast)] = Some(output.tensor);
        if value == network.value_of(index)
            && let Some(fold) = self.purpose.folds.iter().find(|fold| fold.layer == index)
        {
            // What is computed is the value of the last layer that is folded in.
            output.value = fold.value(network);
        }
        let saved = match pooling {
            // Where in its window each maximum was.
            true => Saved { dtype: DType::U8, per_row: network.len(value), fixed: 0 },
            false => this.saved(&shapes),
        };
        let saved = (training && saved.per_row + saved.fixed > 0).then(|| {
            let (per_row, fixed) = (saved.per_row * saved.dtype.size(), saved.fixed * saved.dtype.size());
            self.program.add(Tensor { dtype: saved.dtype, per_row, fixed, home: Home::Arena(0) })
        });
        self.program.ops.push(Op::Forward { layer: index, reads, output, saved, function, pooling });
    }
}
