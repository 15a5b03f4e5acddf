//! Formulas of layers, in words, as a trace shows them.

use crate::window::Slide;

/// Steps of a prediction: what is done, and its formula.
pub(crate) type Steps = Vec<(&'static str, String)>;

/// A sum of products, and a bias that is added to it where there is one. `index` is that of the output.
pub(crate) fn with_bias(bias: bool, index: &str, product: &str, bias_index: &str) -> Steps {
    if !bias {
        return vec![("multiply", format!("output{index} = {product}"))];
    }
    let sum = format!("output{index} = product{index} + bias{bias_index}");
    vec![("multiply", format!("product{index} = {product}")), ("add", sum)]
}

/// The place that a window reads, as `2 * y + i - 1`: of the output `output` and the tap `tap`.
pub(crate) fn place(output: &str, tap: &str, window: &Slide, dilation: usize) -> String {
    let times =
        |count: usize, letter: &str| if count == 1 { letter.to_string() } else { format!("{count} * {letter}") };
    let mut text = times(window.stride, output);
    if window.size > 1 {
        text += &format!(" + {}", times(dilation, tap));
    }
    text + &shift(window)
}

/// The same for rows and columns.
pub(crate) fn places(windows: &[Slide], dilation: [usize; 2]) -> [String; 2] {
    let letters = [("y", "i"), ("x", "j")];
    [0, 1].map(|axis| place(letters[axis].0, letters[axis].1, &windows[axis], dilation[axis]))
}

fn shift(window: &Slide) -> String {
    match window.before {
        0 => String::new(),
        before if before > 0 => format!(" - {before}"),
        before => format!(" + {}", -before),
    }
}

/// The channel of the input that the channel `c` of a filter `o` is.
pub(crate) fn channel_of_group(groups: usize, channels: usize, filters: usize) -> String {
    if groups <= 1 {
        return "c".to_string();
    }
    format!("{} * floor(o / {}) + c", channels / groups, filters / groups)
}

/// What a layer reads outside of the map.
pub(crate) fn outside(padding: [usize; 4]) -> &'static str {
    if padding == [0; 4] { "" } else { ", 0 outside of the input" }
}
