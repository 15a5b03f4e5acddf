//! Arrays of `ndarray` in and out.

use crate::error::Error;
use crate::model::Model;
use crate::predict::Workspace;
use ndarray::{ArrayD, ArrayView, Dimension, IxDyn};

impl Model {
    /// [`Model::predict`] on an array `[rows, input shape]`, in any memory order; `[rows, all numbers of a sample]` is taken
    /// too. What is not row-major is copied once. Needs the feature `ndarray`.
    ///
    /// # Shapes
    /// - `input`: `[rows, …]`
    /// - output: `[rows, output shape]`
    ///
    /// # Errors
    /// As [`Model::predict`], and [`Error::Mismatch`] for an array of another shape.
    ///
    /// # Examples
    /// ```
    /// use ndarray::array;
    /// # use plexus::{layers::linear, Context, Model, Network, Params, Task};
    /// # let network = Network::chain([2], [linear(1)]).check()?;
    /// # let mut params = Params::zeros(&network);
    /// # params.set("layers.0.weight", &[1.0, 10.0]);
    /// # let task = Task::Regression { outputs: vec!["y".into()] };
    /// # let model = Model::new(network, &params, task, Context::single())?;
    /// let columns = array![[1.0, 2.0, 3.0], [0.5, 0.25, 0.0]];
    /// let answers = model.predict_array(columns.t(), &mut Default::default())?;
    /// assert_eq!(answers, array![[6.0], [4.5], [3.0]].into_dyn());
    /// # Ok::<(), plexus::Error>(())
    /// ```
    pub fn predict_array<D: Dimension>(
        &self,
        input: ArrayView<'_, f32, D>,
        workspace: &mut Workspace,
    ) -> Result<ArrayD<f32>, Error> {
        let (network, shape) = (self.network(), input.shape());
        let fits = |sample: &[usize]| sample == network.input().axes() || sample == [network.input_len()];
        let Some(rows) = shape.split_first().and_then(|(rows, sample)| fits(sample).then_some(*rows)) else {
            return Err(Error::Mismatch {
                what: "the shape of the array",
                model: format!("[rows] and the input {}", network.input()),
                data: format!("{shape:?}"),
                help: "The first axis is that of the rows.".to_string(),
            });
        };
        let input = input.as_standard_layout();
        let values = input.as_slice().expect("it is in standard layout");
        let answers = self.predict(values, rows, workspace)?.to_vec();
        let shape: Vec<usize> = [rows].into_iter().chain(network.output().axes().iter().copied()).collect();
        Ok(ArrayD::from_shape_vec(IxDyn(&shape), answers).expect("an answer has the shape of the output"))
    }
}
