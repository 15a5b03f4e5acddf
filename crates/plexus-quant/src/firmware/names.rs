//! Names and numbers as they stand in source.

use super::lower::{Numbers, Op, Program, Step, Sums};
use plexus_nn::DType;
use std::collections::HashSet;
use std::fmt::Display;

/// A name that languages take: letters, digits and `_`, a letter first.
pub(super) fn identifier(name: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let name: String = name.chars().map(letter).collect();
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) { name } else { format!("n{name}") }
}

/// A name for each step: that of its layer, with a number where several have the same.
pub(super) fn steps(program: &Program) -> Vec<String> {
    let mut taken = HashSet::new();
    let unique = |step: &Step| {
        let base = identifier(&step.layer);
        let names = std::iter::once(base.clone()).chain((2..).map(|count| format!("{base}_{count}")));
        let name = names.into_iter().find(|name| !taken.contains(name)).expect("there are more numbers than steps");
        taken.insert(name.clone());
        name
    };
    program.steps.iter().map(unique).collect()
}

/// The name of a function of products, the same in Rust and C.
pub(super) fn product(prefix: &str, weight: &Numbers, input: DType, sums: &Sums) -> String {
    let form = match (sums, input, weight) {
        (Sums::Affine { .. }, _, Numbers::I4(_)) => "s4",
        (Sums::Affine { .. }, ..) => "s8",
        (Sums::Wide { .. }, _, Numbers::I16(_)) => "s16",
        (Sums::Wide { .. }, ..) => "s16x8",
        (Sums::Shifts { .. }, DType::I8, _) => "q7",
        (Sums::Shifts { .. }, _, Numbers::I16(_)) => "q15",
        (Sums::Shifts { .. }, ..) => "q7_q15",
    };
    let (opt, wide) = match sums {
        Sums::Shifts { interleaved, wide, .. } => (interleaved.is_some(), *wide),
        _ => (false, false),
    };
    format!("{prefix}_{form}{}{}", if opt { "_opt" } else { "" }, if wide { "_wide" } else { "" })
}

/// Lines of numbers with commas, indented by four.
pub(super) fn lines<T: Display>(values: &[T]) -> String {
    let (mut text, mut line) = (String::new(), String::new());
    for value in values {
        let next = format!("{value},");
        if !line.is_empty() && line.len() + next.len() + 1 > 100 {
            text += &format!("    {line}\n");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line += &next;
    }
    if !line.is_empty() {
        text += &format!("    {line}\n");
    }
    text
}

/// The constants of a step, with a word for each.
pub(super) fn constants(op: &Op) -> Vec<(&'static str, &Numbers)> {
    match op {
        Op::FullyConnected { weight, bias, .. } | Op::Conv { weight, bias, .. } => {
            let mut all = vec![("weight", weight)];
            if !bias.is_empty() {
                all.push(("bias", bias));
            }
            all
        }
        Op::Lookup(table) => vec![("table", table)],
        Op::SoftmaxWide { tables: [exp, one], .. } => vec![("exp", exp), ("one_over_one_plus", one)],
        _ => Vec::new(),
    }
}

impl Numbers {
    /// How many elements the array has.
    pub fn len(&self) -> usize {
        match self {
            Numbers::I8(values) => values.len(),
            Numbers::I4(values) => values.len(),
            Numbers::I16(values) => values.len(),
            Numbers::I32(values) => values.len(),
            Numbers::I64(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn lines(&self) -> String {
        match self {
            Numbers::I8(values) => lines(values),
            Numbers::I4(values) => lines(values),
            Numbers::I16(values) => lines(values),
            Numbers::I32(values) => lines(values),
            Numbers::I64(values) => lines(values),
        }
    }
}

/// Multipliers of a step: one for all rows, or one for each.
pub(super) fn scales(op: &Op) -> Option<&[plexus_micro::Multiplier]> {
    match op {
        Op::FullyConnected { sums, .. } | Op::Conv { sums, .. } => match sums {
            Sums::Affine { scales, .. } | Sums::Wide { scales } => Some(scales),
            Sums::Shifts { .. } => None,
        },
        _ => None,
    }
}

/// What a step does, in a few words.
pub(super) fn what(step: &Step) -> &'static str {
    match &step.op {
        Op::FullyConnected { .. } => "fully connected",
        Op::Conv { transposed: false, .. } => "convolution",
        Op::Conv { transposed: true, .. } => "transposed convolution",
        Op::MaxPool(_) => "max pooling",
        Op::AvgPool { .. } => "average pooling",
        Op::Add { .. } => "addition",
        Op::Rescale { .. } => "another scale",
        Op::Clamp(_) => "limits",
        Op::Lookup(_) => "table",
        Op::Softmax { .. } | Op::SoftmaxWide { .. } => "softmax",
        Op::Concat(_) => "join",
        Op::Transpose { .. } => "another order",
    }
}
