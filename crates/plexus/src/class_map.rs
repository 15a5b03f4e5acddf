//! Classifiers made of layers that slide: a class for each window of a larger picture.

use crate::error::Error;
use crate::model::{Model, folding};
use crate::positions::{from_table, largest, to_table};
use crate::task::Task;
use plexus_kernels::threads::flush_denormals;
use plexus_kernels::{reduce, softmax};
use plexus_nn::{Plan, Shape, Workspace};
use std::sync::Arc;

/// What a classifier says of each window of a picture.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ClassMap {
    /// Windows down and across.
    pub size: [usize; 2],
    /// The likeliest class of each, `[down, across]`: a place among the names of the task.
    pub classes: Vec<u32>,
    /// How likely each class is, `[classes, down, across]`.
    pub probabilities: Vec<f32>,
}

impl Model {
    /// Whether this is a classifier of pictures whose layers all slide, so that a larger picture has an answer for each of its
    /// windows: one input `[channels, height, width]`, one output `[classes, 1, 1]`, and classes.
    pub fn slides(&self) -> bool {
        let network = self.network();
        let is_pixel = matches!(network.shape(network.outputs()[0]).axes(), [_, 1, 1]);
        let takes_pictures = network.input().axes().len() == 3 && self.inputs().len() == 1 && self.outputs().len() == 1;
        is_pixel && takes_pictures && matches!(self.task(), Task::Classification { .. })
    }

    /// The class of each window of a picture `[channels, height, width]` of this size (height, width), which is at least that of the
    /// pictures of the model. Windows have their size, and are as far apart as the strides of the network say.
    ///
    /// What a window shows is computed once for all windows. Where the network pads its maps, a window inside of the picture sees
    /// what is around it in place of zeros, so its answer is not quite that of the window cut out.
    ///
    /// # Errors
    /// - [`Error::Mismatch`]: the model does not [slide](Model::slides), or the picture is smaller than its pictures
    /// - [`Error::Row`]: there are not as many numbers as the size says
    /// - [`Error::Input`]: one is NaN or an infinity
    pub fn class_map(&self, picture: &[f32], size: [usize; 2]) -> Result<ClassMap, Error> {
        let input = self.network().input();
        let shown = || format!("{}x{} pixels", size[0], size[1]);
        let refuse = |what, model: String, help: &str| {
            Err(Error::Mismatch { what, model, data: shown(), help: help.to_string() })
        };
        let (true, &[channels, height, width]) = (self.slides(), input.axes()) else {
            let network = self.network();
            let output = network.shape(network.outputs()[0]);
            let help = "A class for each window is given by a classifier of convolutions alone, whose output is [classes, 1, 1]: \
                        the conversion fc-to-conv makes one of a network with fully connected layers.";
            return refuse("the answer for a picture", format!("outputs {output} for inputs {input}"), help);
        };
        if size[0] < height || size[1] < width {
            let help = "A picture has to hold one window at least: enlarge it, or take another.";
            return refuse("the size of the picture", format!("windows of {height}x{width}"), help);
        }
        let pixels = size[0].checked_mul(size[1]).and_then(|pixels| pixels.checked_mul(channels));
        let expected = pixels.unwrap_or(usize::MAX);
        if picture.len() != expected {
            return Err(Error::Row { row: 0, expected, got: picture.len() });
        }
        if let Some(at) = reduce::first_not_finite(picture, self.plan.context()) {
            return Err(Error::Input { input: None, row: 0, column: at, value: picture[at] });
        }
        let mut network = self.network().network().clone();
        network.inputs[0].shape = Shape::new([channels, size[0], size[1]]);
        let network = Arc::new(network.check()?);
        let names = self.task().names().len();
        let output = network.shape(network.outputs()[0]).clone();
        let &[classes, rows, cols] = output.axes() else { unreachable!("maps stay maps") };
        // A layer that brings maps to one size has no more answers for a larger picture.
        if network.layout() != self.network().layout() || classes != names {
            let help = "A layer of this network has weights for one size.";
            return refuse("the size of the picture", input.to_string(), help);
        }
        let context = self.plan.context().clone();
        let plan = Plan::with(network.clone(), &self.params(), folding(), context.clone());
        let (batch, mut workspace) = (network.batch(picture, 1)?, Workspace::default());
        let windows = rows * cols;
        Ok(flush_denormals(|| {
            let scores = plan.run(batch, &mut workspace);
            let [mut table, mut softened, mut probabilities] = [0; 3].map(|_| vec![0.0; scores.len()]);
            to_table(names, windows, scores, &mut table);
            softmax::softmax(windows, names, &table, &mut softened, &context);
            from_table(names, windows, &softened, &mut probabilities);
            ClassMap { size: [rows, cols], classes: largest(names, windows, scores), probabilities }
        }))
    }
}

#[cfg(all(test, feature = "train"))]
mod tests {
    use super::*;
    use crate::{Context, Network, Params};
    use plexus_nn::layers::{Layer, conv2d, flatten, global_avg_pool, linear, max_pool2d, relu, unflatten};

    fn model(layers: Vec<Layer>) -> Model {
        let network = Network::chain([2, 6, 5], layers).check().unwrap();
        let params = Params::initialize(&network, 3);
        let classes = (0..network.output_len()).map(|class| class.to_string()).collect();
        Model::new(network, &params, Task::Classification { classes }, Context::single()).unwrap()
    }

    fn picture(len: usize) -> Vec<f32> {
        (0..len).map(|at| (at as f32 * 0.71).sin()).collect()
    }

    #[test]
    fn each_window_has_the_answer_that_it_has_alone() {
        let model = model(vec![conv2d(4, 3), relu(), max_pool2d([2, 1]), conv2d(3, [2, 3])]);
        let picture = picture(2 * 10 * 8);
        let map = model.class_map(&picture, [10, 8]).unwrap();
        assert_eq!((map.size, map.classes.len(), map.probabilities.len()), ([3, 4], 12, 36));
        for y in 0..3 {
            for x in 0..4 {
                let planes = picture.chunks(80);
                let lines = planes.flat_map(|plane| (0..6).map(move |line| &plane[(2 * y + line) * 8 + x..][..5]));
                let window: Vec<f32> = lines.flatten().copied().collect();
                let mut workspace = Default::default();
                let best = model.classify(&window, 1, &mut workspace).unwrap()[0];
                assert_eq!(best.index, map.classes[y * 4 + x] as usize);
                assert!((best.probability - map.probabilities[(best.index * 3 + y) * 4 + x]).abs() < 1e-5);
            }
        }
        let own = model.class_map(&picture[..60], [6, 5]).unwrap();
        assert_eq!(own.size, [1, 1]);
    }

    #[test]
    fn what_does_not_slide_and_what_is_too_small_is_refused() {
        let sliding = || model(vec![conv2d(3, [6, 5])]);
        let says = |model: Model, picture: &[f32], size| model.class_map(picture, size).unwrap_err().to_string();
        let text = says(sliding(), &[0.0; 60], [5, 6]);
        assert!(text.contains("windows of 6x5") && text.contains("5x6 pixels"), "{text}");
        assert!(says(sliding(), &[0.0; 60], [6, 6]).contains("60 numbers"));
        assert!(says(sliding(), &[f32::NAN; 60], [6, 5]).contains("NaN"));
        let text = says(model(vec![flatten(), linear(3)]), &[0.0; 60], [6, 5]);
        assert!(text.contains("fc-to-conv"), "{text}");
        let pooled = model(vec![global_avg_pool(), unflatten([2, 1, 1]), conv2d(3, 1)]);
        assert_eq!(pooled.class_map(&picture(2 * 9 * 9), [9, 9]).unwrap().size, [1, 1]);
        let fixed = model(vec![flatten(), linear(4), unflatten([4, 1, 1])]);
        assert!(says(fixed, &picture(2 * 9 * 9), [9, 9]).contains("weights for one size"));
    }
}
