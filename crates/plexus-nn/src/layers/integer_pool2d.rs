//! Poolings of whole numbers. The outputs stand for what the inputs do.

use crate::integer::{integers, no_gradient};
use crate::layer::{Backward, Forward, LayerKind, Maps, Mismatch};
use crate::layers::formula::Steps;
use crate::layers::{AvgPool2d, MaxPool2d};
use crate::shape::Shape;
use crate::view::{DType, Quant};
use crate::window::Slide;
use plexus_kernels::pool::{self, Mean, avg_pool_integers, max_pool_integers};
use serde::{Deserialize, Serialize};

/// Takes the largest number of each window of each map, as [`MaxPool2d`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct IntegerMaxPool2d {
    /// Its float form.
    pub of: MaxPool2d,
}

/// Takes the mean of each window of each map, as [`AvgPool2d`]; the padding does not count.
///
/// ```text
/// output = (sum > 0 ? sum + count / 2 : sum − count / 2) / count        divisions towards zero
/// ```
///
/// # Source
/// CMSIS-NN's `arm_avgpool_s8`; with `truncate` CMSIS 5.9.0's `arm_avepool_q7_HWC` as it is without DSP instructions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct IntegerAvgPool2d {
    /// Its float form.
    pub of: AvgPool2d,
    /// Whether the quotient is cut off instead of rounded; for 8 bits.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncate: bool,
}

impl IntegerMaxPool2d {
    /// The integer form of a layer.
    pub fn new(of: MaxPool2d) -> Self {
        IntegerMaxPool2d { of }
    }

    /// How its windows slide over maps of a shape that the network check has seen, as `plexus-micro` has it.
    pub fn window(&self, input: &Shape) -> plexus_micro::Window {
        micro(&self.of.window(input))
    }
}

impl IntegerAvgPool2d {
    /// The integer form of a layer.
    pub fn new(of: AvgPool2d) -> Self {
        IntegerAvgPool2d { of, truncate: false }
    }

    /// How its windows slide over maps of a shape that the network check has seen, as `plexus-micro` has it.
    pub fn window(&self, input: &Shape) -> plexus_micro::Window {
        micro(&self.of.window(input))
    }

    /// The same with this [`truncate`](Self::truncate).
    #[must_use]
    pub fn with_truncate(self, truncate: bool) -> Self {
        IntegerAvgPool2d { truncate, ..self }
    }
}

/// A window as `plexus-micro` has it: what a last window that is not complete lacks becomes padding.
fn micro(window: &pool::Window) -> plexus_micro::Window {
    let pool::Window { channels, height, width, kernel, stride, padding, dilation, .. } = *window;
    let output = window.output().expect("the network check refused windows that do not fit");
    let mut padding = padding;
    for (axis, size) in [height, width].into_iter().enumerate() {
        let reach = (output[axis] - 1) * stride[axis] + dilation[axis] * (kernel[axis] - 1) + 1;
        padding[axis + 2] = padding[axis + 2].max(reach.saturating_sub(size + padding[axis]));
    }
    plexus_micro::Window { input: [height, width, channels], kernel, stride, padding, dilation }
}

impl LayerKind for IntegerMaxPool2d {
    fn kind(&self) -> &'static str {
        "integer_max_pool2d"
    }

    fn arithmetic(&self, inputs: &[&Shape]) -> Steps {
        self.of.arithmetic(inputs)
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        self.of.infer(inputs)
    }

    fn quant(&self, inputs: &[Option<Quant>]) -> Result<Option<Quant>, Mismatch> {
        integers(inputs).map(Some)
    }

    fn has_gradient(&self) -> bool {
        false
    }

    fn slides(&self, inputs: &[&Shape]) -> Option<Vec<Slide>> {
        self.of.slides(inputs)
    }

    fn maps(&self) -> Maps {
        Maps::Last
    }

    fn forward(&self, cx: Forward<'_>) {
        let (input, window) = (cx.inputs[0], self.of.window(cx.inputs[0].shape));
        match input.dtype {
            DType::I8 => max_pool_integers(&window, cx.rows, input.i8(), cx.output.into_i8(), cx.context),
            _ => max_pool_integers(&window, cx.rows, input.i16(), cx.output.into_i16(), cx.context),
        }
    }

    fn backward(&self, _cx: Backward<'_, '_>) {
        no_gradient(self.kind())
    }
}

impl LayerKind for IntegerAvgPool2d {
    fn kind(&self) -> &'static str {
        "integer_avg_pool2d"
    }

    fn arithmetic(&self, inputs: &[&Shape]) -> Steps {
        self.of.arithmetic(inputs)
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        let shape = self.of.infer(inputs)?;
        if self.of.count_include_pad && self.of.window(inputs[0]).padding != [0; 4] {
            let help = "Zeros of the padding do not count in the integer form: set count_include_pad = false.";
            return Err(Mismatch::new("padding", "none, or one that does not count", "one that counts", help));
        }
        Ok(shape)
    }

    fn quant(&self, inputs: &[Option<Quant>]) -> Result<Option<Quant>, Mismatch> {
        let input = integers(inputs)?;
        if self.truncate && input.dtype != DType::I8 {
            return Err(Mismatch::new("truncate", "false, for 16 bits", "true", ""));
        }
        Ok(Some(input))
    }

    fn has_gradient(&self) -> bool {
        false
    }

    fn slides(&self, inputs: &[&Shape]) -> Option<Vec<Slide>> {
        self.of.slides(inputs)
    }

    fn maps(&self) -> Maps {
        Maps::Last
    }

    fn forward(&self, cx: Forward<'_>) {
        let (input, window) = (cx.inputs[0], self.of.window(cx.inputs[0].shape));
        let mean = if self.truncate { Mean::Truncated } else { Mean::Rounded };
        match input.dtype {
            DType::I8 => avg_pool_integers(&window, cx.rows, input.i8(), mean, cx.output.into_i8(), cx.context),
            _ => avg_pool_integers(&window, cx.rows, input.i16(), mean, cx.output.into_i16(), cx.context),
        }
    }

    fn backward(&self, _cx: Backward<'_, '_>) {
        no_gradient(self.kind())
    }
}
