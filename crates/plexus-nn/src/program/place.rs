//! Where each tensor lies in the arena.
//!
//! A tensor needs its memory from the operation that writes it first to the one that reads it last. The largest is placed
//! first, each at the lowest place where nothing lies that lives at the same time. Places are those of one row: a batch of
//! n rows has all of them n times as far apart, so they are found once for all sizes of batches.

use super::{Home, Op, Program, Purpose, TensorId};
use crate::check::CheckedNetwork;
use std::ops::RangeInclusive;

/// Tensors start on a cache line.
const ALIGNMENT: usize = 64;

/// Gives every tensor its place.
pub(super) fn place(network: &CheckedNetwork, purpose: &Purpose, program: &mut Program) {
    let lives = lives(network, purpose, program);
    program.fixed_bytes = place_part(program, &lives, |program, tensor| program.tensors[tensor].fixed);
    program.row_bytes = place_part(program, &lives, |program, tensor| program.tensors[tensor].per_row);
}

fn place_part(
    program: &mut Program,
    lives: &[Option<RangeInclusive<usize>>],
    size: impl Fn(&Program, TensorId) -> usize,
) -> usize {
    let mut order: Vec<TensorId> = (0..program.tensors.len())
        .filter(|&tensor| size(program, tensor) > 0 && matches!(program.tensors[tensor].home, Home::Arena(_)))
        .collect();
    order.sort_by_key(|&tensor| std::cmp::Reverse(size(program, tensor)));
    let mut placed: Vec<(usize, usize, TensorId)> = Vec::with_capacity(order.len());
    let mut total = 0;
    for tensor in order {
        let Some(life) = &lives[tensor] else { continue };
        let bytes = size(program, tensor).next_multiple_of(ALIGNMENT);
        let mut at = 0;
        // Those placed before, by their places: the first gap that is wide enough.
        for &(start, end, other) in &placed {
            let other = lives[other].as_ref().expect("it was placed");
            let meet = life.start() <= other.end() && other.start() <= life.end();
            if meet && start < at + bytes && at < end {
                at = end;
            } else if meet && start >= at + bytes {
                break;
            }
        }
        let index = placed.partition_point(|&(start, _, _)| start < at);
        placed.insert(index, (at, at + bytes, tensor));
        program.tensors[tensor].home = Home::Arena(at);
        total = total.max(at + bytes);
    }
    total
}

/// From which operation to which each tensor lives. The moment between forward and backward counts as one.
fn lives(network: &CheckedNetwork, purpose: &Purpose, program: &Program) -> Vec<Option<RangeInclusive<usize>>> {
    let mut lives: Vec<Option<RangeInclusive<usize>>> = vec![None; program.tensors.len()];
    let mut touch = |tensor: TensorId, moment: usize| {
        lives[tensor] = Some(match &lives[tensor] {
            None => moment..=moment,
            Some(life) => *life.start().min(&moment)..=*life.end().max(&moment),
        });
    };
    for (index, op) in program.ops.iter().enumerate() {
        let moment = if index < program.forward { index } else { index + 1 };
        touched(network, op).into_iter().for_each(|tensor| touch(tensor, moment));
    }
    let end = program.ops.len() + 1;
    program.outputs.iter().for_each(|port| touch(port.tensor, if purpose.training { program.forward } else { end }));
    program.output_grads.iter().for_each(|port| touch(port.tensor, program.forward));
    program.input_grads.iter().flatten().for_each(|port| touch(port.tensor, end));
    let kept = purpose.keep.iter().filter_map(|value| program.values[value.index()]);
    kept.for_each(|port| touch(port.tensor, end));
    lives
}

/// The tensors that an operation reads or writes.
fn touched(network: &CheckedNetwork, op: &Op) -> Vec<TensorId> {
    match op {
        Op::Forward { reads, output, saved, .. } => {
            reads.iter().map(|read| read.tensor).chain([output.tensor]).chain(*saved).collect()
        }
        Op::Reorder { from, to } | Op::Add { from, to } => vec![from.tensor, to.tensor],
        Op::Function { output, grad, .. } => vec![output.tensor, grad.tensor],
        Op::Unpool { output, positions, grad_output, grad, .. } => {
            vec![output.tensor, *positions, grad_output.tensor, grad.tensor]
        }
        Op::Backward { layer, reads, output, saved, grad_output, grads } => {
            let wants = network.network().layers[*layer].layer.backward_reads();
            let mut touched = vec![grad_output.tensor];
            touched.extend(reads.iter().filter(|_| wants.inputs).map(|read| read.tensor));
            touched.extend(wants.output.then_some(output.tensor));
            touched.extend(*saved);
            touched.extend(grads.iter().flatten().map(|(port, _)| port.tensor));
            touched
        }
    }
}
