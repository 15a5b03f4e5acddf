//! The way back: the forward operations in reverse, and a gradient for every value that needs one.
//!
//! The gradient of a value is a tensor like any other. Of several readers of a value the first on the way back writes its
//! gradient, the others add to it, always in this order, so the bits are always the same.

use super::{Op, Port, Program, Purpose, TensorId};
use crate::check::{CheckedNetwork, ValueId};
use crate::layer::Layout;
use plexus_kernels::map::Function;
use std::collections::{HashMap, HashSet};

struct Builder<'a> {
    network: &'a CheckedNetwork,
    program: &'a mut Program,
    /// Tensors whose gradient someone needs.
    needed: HashSet<TensorId>,
    /// The gradients that were written so far, by the tensor that they belong to.
    grads: HashMap<TensorId, TensorId>,
}

/// Appends the way back to a forward program.
pub(super) fn append(network: &CheckedNetwork, purpose: &Purpose, program: &mut Program) {
    let needed = needed(network, purpose, program);
    let forward = program.ops.clone();
    let mut builder = Builder { network, program, needed, grads: HashMap::new() };
    for port in builder.program.outputs.clone() {
        let grad = builder.program.add_for(network, port.value, port.layout);
        builder.grads.insert(port.tensor, grad.tensor);
        builder.program.output_grads.push(grad);
    }
    let mut busy = HashSet::new();
    for op in forward.iter().rev() {
        if let Some(layer) = builder.reverse(op) {
            busy.insert(layer);
        }
    }
    let Builder { grads, .. } = builder;
    let trainable = |index: &usize| !network.layout().weights_of(*index).is_empty();
    let idle = (0..network.network().layers.len()).filter(trainable).filter(|index| !busy.contains(index));
    program.idle = idle.collect();
    if purpose.input_gradients {
        program.input_grads = (0..network.network().inputs.len())
            .map(|input| {
                grads.get(&input).map(|tensor| Port {
                    tensor: *tensor,
                    value: input_value(network, input),
                    layout: Layout::ChannelsFirst,
                })
            })
            .collect();
    }
}

fn input_value(network: &CheckedNetwork, index: usize) -> ValueId {
    network.values().nth(index).expect("inputs are the first values")
}

/// The tensors on whose values something depends that is to be learnt, or asked for. The inputs are the first tensors.
fn needed(network: &CheckedNetwork, purpose: &Purpose, program: &Program) -> HashSet<TensorId> {
    let mut needed = HashSet::new();
    if purpose.input_gradients {
        needed.extend(0..network.network().inputs.len());
    }
    for op in &program.ops {
        let (reads, output, learns) = match op {
            Op::Forward { layer, reads, output, .. } => {
                (reads.as_slice(), output, !network.layout().weights_of(*layer).is_empty())
            }
            Op::Reorder { from, to } => (std::slice::from_ref(from), to, false),
            _ => continue,
        };
        if learns || reads.iter().any(|read| needed.contains(&read.tensor)) {
            needed.insert(output.tensor);
        }
    }
    needed
}

impl Builder<'_> {
    /// Writes down the way back through one operation; the layer, where its weights get a gradient.
    fn reverse(&mut self, op: &Op) -> Option<usize> {
        match op {
            Op::Reorder { from, to } => {
                let grad = *self.grads.get(&to.tensor)?;
                if self.needed.contains(&from.tensor) {
                    let grad = Port { tensor: grad, ..*to };
                    let (target, sum) = self.target(*from);
                    self.program.ops.push(Op::Reorder { from: grad, to: target });
                    self.program.ops.extend(sum);
                }
                None
            }
            Op::Forward { layer, reads, output, saved, function, pooling } => {
                let grad = *self.grads.get(&output.tensor)?;
                let needs: Vec<bool> = reads.iter().map(|read| self.needed.contains(&read.tensor)).collect();
                let learns = !self.network.layout().weights_of(*layer).is_empty();
                if !learns && !needs.contains(&true) {
                    return None;
                }
                let mut grad_output = Port { tensor: grad, ..*output };
                let mut saved = *saved;
                if *pooling {
                    let own = self.network.value_of(*layer);
                    let grad = self.program.add_for(self.network, own, Layout::ChannelsLast);
                    let positions = saved.take().expect("a fused pooling saves its positions");
                    let (function, output) = (*function, *output);
                    self.program.ops.push(Op::Unpool { function, output, positions, grad_output, grad });
                    grad_output = grad;
                } else if *function != Function::Identity {
                    self.program.ops.push(Op::Function { function: *function, output: *output, grad: grad_output });
                }
                self.layer(*layer, reads, &needs, *output, saved, grad_output);
                learns.then_some(*layer)
            }
            _ => unreachable!("the way forward has no other operations"),
        }
    }

    fn layer(
        &mut self,
        layer: usize,
        reads: &[Port],
        needs: &[bool],
        output: Port,
        saved: Option<TensorId>,
        grad_output: Port,
    ) {
        let adds = self.network.network().layers[layer].layer.adds_to_grad_input();
        let mut own: Vec<TensorId> = Vec::new();
        let mut sums = Vec::new();
        let mut grads = Vec::with_capacity(reads.len());
        for (read, needs) in reads.iter().zip(needs) {
            if !needs {
                grads.push(None);
                continue;
            }
            let written = self.grads.get(&read.tensor).copied();
            match written {
                Some(tensor) if adds && !own.contains(&tensor) => {
                    own.push(tensor);
                    grads.push(Some((Port { tensor, ..*read }, true)));
                }
                _ => {
                    let (target, sum) = self.target(*read);
                    own.push(target.tensor);
                    grads.push(Some((target, false)));
                    sums.extend(sum);
                }
            }
        }
        self.program.ops.push(Op::Backward { layer, reads: reads.to_vec(), output, saved, grad_output, grads });
        self.program.ops.extend(sums);
    }

    /// Where the gradient of what was read is to be written, and the addition that has to follow where there is one
    /// already.
    fn target(&mut self, read: Port) -> (Port, Option<Op>) {
        let fresh = self.program.add_for(self.network, read.value, read.layout);
        match self.grads.get(&read.tensor) {
            None => {
                self.grads.insert(read.tensor, fresh.tensor);
                (fresh, None)
            }
            Some(tensor) => {
                let to = Port { tensor: *tensor, ..read };
                (fresh, Some(Op::Add { from: fresh, to }))
            }
        }
    }
}
