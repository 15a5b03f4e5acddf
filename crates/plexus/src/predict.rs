//! Predictions: numbers in, answers out.

use crate::error::Error;
use crate::model::Model;
use crate::positions::{from_table, largest, to_table};
use crate::task::{OutputTask, Task};
use plexus_kernels::buffer::Buffer;
use plexus_kernels::map::{self, Function};
use plexus_kernels::threads::flush_denormals;
use plexus_kernels::{reduce, softmax};
use plexus_nn::{CheckedBatch, Shape};
use std::ops::Range;

/// Memory that predictions run in. It grows to the largest call and is then reused: later calls allocate nothing.
#[derive(Clone, Debug, Default)]
pub struct Workspace {
    pub(crate) plan: plexus_nn::Workspace,
    /// Of each output.
    answers: Vec<Buffer>,
    /// The scores of an output, the classes of a position beside each other, and their probabilities.
    tables: [Buffer; 2],
    allows_not_finite: bool,
}

/// A class that a model answers with.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Class<'m> {
    /// Its name.
    pub name: &'m str,
    /// Its place among the outputs.
    pub index: usize,
    /// How likely the model takes it to be, in 0..=1.
    pub probability: f32,
}

impl Workspace {
    /// The same for inputs that may hold NaN and infinities: predictions with it do not refuse them. They go through the
    /// network as IEEE 754 says, and the answer is mostly NaN.
    pub fn allow_not_finite(self) -> Self {
        Workspace { allows_not_finite: true, ..self }
    }
}

impl Model {
    /// The outputs of the network for some rows, `[rows, outputs]`: scores for a classification.
    ///
    /// # Errors
    /// - [`Error::Shape`]: the input is not `rows` times the width of the model
    /// - [`Error::Input`]: it holds NaN or an infinity, unless the workspace [allows it](Workspace::allow_not_finite)
    pub fn scores<'w>(&self, input: &[f32], rows: usize, workspace: &'w mut Workspace) -> Result<&'w [f32], Error> {
        let batch = self.batch(input, rows, workspace)?;
        Ok(self.plan.run(batch, &mut workspace.plan))
    }

    /// The answers of the first output for some rows, `[rows, outputs]`: probabilities for a classification, numbers for a
    /// regression. The model has one input; for several there is [`Model::predict_all`].
    ///
    /// A row has the same bits alone and in any batch, on any number of threads. Nothing is allocated once the workspace
    /// has seen a call of this size.
    ///
    /// # Errors
    /// - [`Error::Shape`]: the input is not `rows` times the width of the model, or there are several inputs
    /// - [`Error::Input`]: it holds NaN or an infinity, unless the workspace [allows it](Workspace::allow_not_finite)
    pub fn predict<'w>(&self, input: &[f32], rows: usize, workspace: &'w mut Workspace) -> Result<&'w [f32], Error> {
        let batch = self.batch(input, rows, workspace)?;
        flush_denormals(|| self.answer(batch, 0..1, workspace));
        Ok(self.answers_at(0, workspace))
    }

    /// The answers for rows that are apart, as a service gets them: [`Model::predict_all`] for one input, with the length of
    /// each row checked.
    ///
    /// # Errors
    /// - [`Error::Row`]: a row has another length than the input
    /// - as [`Model::predict_all`]
    ///
    /// # Examples
    /// ```
    /// # use plexus::{Context, Error, Model, Network, Params, Task, layers::linear};
    /// # let network = Network::chain([2], [linear(2)]).check()?;
    /// # let params = Params::zeros(&network);
    /// # let task = Task::Classification { classes: vec!["cat".into(), "dog".into()] };
    /// # let model = Model::new(network, &params, task, Context::single())?;
    /// let mut workspace = Default::default();
    /// let answers = model.predict_rows(&[vec![0.5, 1.0], vec![2.0, 0.0]], &mut workspace)?;
    /// // Of the first row all probabilities, and the likeliest class.
    /// assert_eq!((&answers.at(0)[..2], answers.top(0, 0, 1)?[0].name), (&[0.5, 0.5][..], "cat"));
    /// let ragged = model.predict_rows(&[vec![0.5, 1.0, 3.0], vec![2.0]], &mut workspace);
    /// assert!(matches!(ragged, Err(Error::Row { row: 0, expected: 2, got: 3, .. })));
    /// # Ok::<(), plexus::Error>(())
    /// ```
    pub fn predict_rows<'w>(
        &'w self,
        rows: &[impl AsRef<[f32]>],
        workspace: &'w mut Workspace,
    ) -> Result<Answers<'w>, Error> {
        let width = self.network().input_len();
        let mut input = Vec::with_capacity(rows.len() * width);
        for (row, values) in rows.iter().map(AsRef::as_ref).enumerate() {
            if values.len() != width {
                return Err(Error::Row { row, expected: width, got: values.len() });
            }
            input.extend_from_slice(values);
        }
        self.predict_all(&[&input], rows.len(), workspace)
    }

    /// The answers of all outputs for some rows of all inputs, in the order of the network.
    ///
    /// # Errors
    /// - [`Error::Shape`]: there are not as many as inputs, or one is not `rows` times the width of its input
    /// - [`Error::Input`]: one holds NaN or an infinity, unless the workspace [allows it](Workspace::allow_not_finite)
    pub fn predict_all<'w>(
        &'w self,
        inputs: &[&[f32]],
        rows: usize,
        workspace: &'w mut Workspace,
    ) -> Result<Answers<'w>, Error> {
        let batch = self.network().batches(inputs, rows)?;
        (0..inputs.len()).try_for_each(|index| self.check_finite(index, inputs[index], workspace))?;
        flush_denormals(|| self.answer(batch, 0..self.outputs.len(), workspace));
        Ok(Answers { model: self, workspace })
    }

    /// The likeliest class for each row, by the first output: [`Model::predict`] with a meaning.
    ///
    /// # Errors
    /// As [`Model::predict`], [`Error::NoClasses`] where the model answers with numbers, and [`Error::ManyClasses`] where it
    /// answers with a class for each of several positions.
    ///
    /// # Examples
    /// ```
    /// # use plexus::{Context, Model, Network, Params, Task, layers::Linear};
    /// # let network = Network::chain([2], [Linear::new(2).into()]).check()?;
    /// # let mut params = Params::zeros(&network);
    /// # params.set("layers.0.bias", &[0.0, 2.0]);
    /// # let task = Task::Classification { classes: vec!["cat".into(), "dog".into()] };
    /// # let model = Model::new(network, &params, task, Context::single())?;
    /// let best = model.classify(&[0.5, 0.25], 1, &mut Default::default())?[0];
    /// assert_eq!(best.name, "dog");
    /// assert!((best.probability - 0.8808).abs() < 1e-4);
    /// # Ok::<(), plexus::Error>(())
    /// ```
    pub fn classify(&self, input: &[f32], rows: usize, workspace: &mut Workspace) -> Result<Vec<Class<'_>>, Error> {
        Ok(self.classify_top(input, rows, 1, workspace)?.into_iter().flatten().collect())
    }

    /// The `count` likeliest classes for each row, the likeliest first.
    ///
    /// # Errors
    /// As [`Model::classify`].
    pub fn classify_top(
        &self,
        input: &[f32],
        rows: usize,
        count: usize,
        workspace: &mut Workspace,
    ) -> Result<Vec<Vec<Class<'_>>>, Error> {
        let names = self.class_names(0)?;
        let probabilities = self.predict(input, rows, workspace)?;
        Ok(probabilities.chunks_exact(names.len().max(1)).map(|row| top(names, row, count)).collect())
    }

    /// The class of each position of each row, by the first output, `[rows, positions]`: of each pixel where the output is
    /// `[classes, height, width]`. Each is a place among the names of the [task](Model::task); `u32::MAX` where a score is
    /// NaN, which only a workspace that allows it lets in.
    ///
    /// # Errors
    /// As [`Model::predict`].
    ///
    /// # Examples
    /// ```
    /// # use plexus::{Context, Model, Network, Params, Task, layers::Conv2d};
    /// # let network = Network::chain([1, 2, 3], [Conv2d::new(2, 1).into()]).check()?;
    /// # let mut params = Params::zeros(&network);
    /// # params.set("layers.0.weight", &[0.0, 1.0]);
    /// # params.set("layers.0.bias", &[0.5, 0.0]);
    /// # let task = Task::Classification { classes: vec!["ground".into(), "cell".into()] };
    /// # let model = Model::new(network, &params, task, Context::single())?;
    /// assert_eq!(model.positions(0), [2, 3]);
    /// let classes = model.segment(&[0.0, 0.4, 0.6, 1.0, 0.1, 0.9], 1, &mut Default::default())?;
    /// assert_eq!(classes, [0, 0, 1, 1, 0, 1]);
    /// # Ok::<(), plexus::Error>(())
    /// ```
    pub fn segment(&self, input: &[f32], rows: usize, workspace: &mut Workspace) -> Result<Vec<u32>, Error> {
        let (names, positions) = self.table(0);
        Ok(largest(names, positions, self.scores(input, rows, workspace)?))
    }

    /// The names of an output, and at how many positions it has as many numbers.
    fn table(&self, output: usize) -> (usize, usize) {
        (self.outputs[output].task.names().len(), self.positions(output).iter().product())
    }

    /// The names of the classes of an output that answers one class a row.
    fn class_names(&self, output: usize) -> Result<&[String], Error> {
        if let (Task::Classification { .. } | Task::MultiLabel { .. }, positions @ [_, ..]) =
            (&self.outputs[output].task, self.positions(output))
        {
            let output = self.outputs[output].name.clone();
            return Err(Error::ManyClasses { output, positions: Shape::new(positions.to_vec()) });
        }
        match &self.outputs[output] {
            OutputTask { task: Task::Classification { classes } | Task::MultiLabel { classes }, .. } => Ok(classes),
            OutputTask { name, task } => Err(Error::NoClasses { output: name.clone(), answers: task.to_string() }),
        }
    }

    /// The answers for rows of text, for a model that was trained on a table: `columns` are the names of the fields of
    /// each row, in any order; those that the model does not read are left alone.
    ///
    /// # Errors
    /// - [`Error::NoColumns`]: the model was not trained on a table
    /// - [`Error::Data`]: a column is missing, a row has another number of fields, a field does not read
    /// - as [`Model::predict_all`]
    #[cfg(feature = "table")]
    pub fn predict_named<'w>(
        &'w self,
        columns: &[&str],
        rows: &[&[&str]],
        workspace: &'w mut Workspace,
    ) -> Result<Answers<'w>, Error> {
        let schema = self.columns().ok_or(Error::NoColumns)?;
        let mut input = Vec::with_capacity(rows.len() * schema.features());
        rows.iter().try_for_each(|fields| schema.encode_named(columns, fields, &mut input))?;
        self.predict_all(&[&input], rows.len(), workspace)
    }

    /// Checks the input of a prediction.
    fn batch<'a>(&self, input: &'a [f32], rows: usize, workspace: &Workspace) -> Result<CheckedBatch<'a>, Error> {
        let batch = self.network().batch(input, rows)?;
        self.check_finite(0, input, workspace)?;
        Ok(batch)
    }

    fn check_finite(&self, index: usize, values: &[f32], workspace: &Workspace) -> Result<(), Error> {
        if workspace.allows_not_finite {
            return Ok(());
        }
        let Some(at) = reduce::first_not_finite(values, self.plan.context()) else { return Ok(()) };
        let inputs = &self.network().network().inputs;
        let width = inputs[index].shape.len().unwrap_or(1).max(1);
        let input = (inputs.len() > 1).then(|| inputs[index].name.clone());
        Err(Error::Input { input, row: at / width, column: at % width, value: values[at] })
    }

    /// The answers of an output in the last call: where numbers are answered, those that the network gave.
    fn answers_at<'w>(&self, index: usize, workspace: &'w Workspace) -> &'w [f32] {
        let scores = self.plan.output(&workspace.plan, index);
        match self.outputs[index].task {
            Task::Regression { .. } => scores,
            _ => &workspace.answers[index][..scores.len()],
        }
    }

    /// Computes the outputs, and the answers of some of them.
    fn answer(&self, batch: CheckedBatch<'_>, outputs: Range<usize>, workspace: &mut Workspace) {
        let Workspace { plan, answers, tables: [table, softened], .. } = workspace;
        self.plan.run(batch, plan);
        if answers.len() < self.outputs.len() {
            answers.resize_with(self.outputs.len(), Buffer::default);
        }
        for index in outputs {
            let scores = self.plan.output(plan, index);
            let width = self.network().len(self.network().outputs()[index]);
            if let Task::Regression { .. } = self.outputs[index].task {
                continue;
            }
            answers[index].grow(scores.len());
            let probabilities = &mut answers[index][..scores.len()];
            match self.outputs[index].task {
                Task::Regression { .. } => {}
                Task::Quantiles { .. } => {
                    // Quantiles rise; where the network's cross, they change places (Chernozhukov et al. 2010).
                    probabilities.copy_from_slice(scores);
                    for row in probabilities.chunks_exact_mut(width.max(1)) {
                        row.sort_by(f32::total_cmp);
                    }
                }
                Task::Classification { .. } => match self.table(index) {
                    (names, 1) => softmax::softmax(batch.rows(), names, scores, probabilities, self.plan.context()),
                    (names, positions) => {
                        table.grow(scores.len());
                        softened.grow(scores.len());
                        let (table, softened) = (&mut table[..scores.len()], &mut softened[..scores.len()]);
                        to_table(names, positions, scores, table);
                        softmax::softmax(batch.rows() * positions, names, table, softened, self.plan.context());
                        from_table(names, positions, softened, probabilities);
                    }
                },
                Task::MultiLabel { .. } => {
                    map::forward(Function::Sigmoid, scores, probabilities, self.plan.context());
                }
            }
        }
    }
}

/// The answers of a model to one call of [`Model::predict_all`].
#[derive(Clone, Copy, Debug)]
pub struct Answers<'w> {
    model: &'w Model,
    workspace: &'w Workspace,
}

impl<'w> Answers<'w> {
    /// The answers of one output, `[rows, its numbers]`.
    ///
    /// # Panics
    /// Where the model has fewer outputs.
    pub fn at(self, index: usize) -> &'w [f32] {
        self.model.answers_at(index, self.workspace)
    }

    /// What the answers of an output were made of: the scores (logits) of classes, else the answers.
    ///
    /// # Panics
    /// Where the model has fewer outputs.
    pub fn scores(self, index: usize) -> &'w [f32] {
        self.model.plan.output(&self.workspace.plan, index)
    }

    /// The class of each position of each row, as [`Model::segment`] gives them of the first output.
    ///
    /// # Panics
    /// Where the model has fewer outputs.
    pub fn classes(self, index: usize) -> Vec<u32> {
        let (names, positions) = self.model.table(index);
        largest(names, positions, self.scores(index))
    }

    /// The `count` likeliest classes that an output answers for a row, the likeliest first.
    ///
    /// # Errors
    /// [`Error::NoClasses`] where the output answers with numbers, [`Error::ManyClasses`] where it answers one class a
    /// position.
    ///
    /// # Panics
    /// Where the model has fewer outputs, or the call had fewer rows.
    pub fn top(self, index: usize, row: usize, count: usize) -> Result<Vec<Class<'w>>, Error> {
        let names = self.model.class_names(index)?;
        let probabilities = &self.at(index)[row * names.len()..][..names.len()];
        Ok(top(names, probabilities, count))
    }

    /// The answers of the output with this name.
    pub fn get(self, name: &str) -> Option<&'w [f32]> {
        self.model.outputs.iter().position(|output| output.name == name).map(|index| self.at(index))
    }

    /// All answers with the names of their outputs.
    pub fn iter(self) -> impl Iterator<Item = (&'w str, &'w [f32])> {
        self.model.outputs.iter().enumerate().map(move |(index, output)| (&output.name[..], self.at(index)))
    }
}

/// The likeliest classes, the likeliest first.
fn top<'m>(names: &'m [String], probabilities: &[f32], count: usize) -> Vec<Class<'m>> {
    let classes = names.iter().zip(probabilities).enumerate();
    let mut classes: Vec<Class<'_>> =
        classes.map(|(index, (name, &probability))| Class { name, index, probability }).collect();
    // Equal ones stay in the order of the classes; NaN, where it was allowed in, comes last.
    let rank = |class: &Class<'_>| if class.probability.is_nan() { f32::NEG_INFINITY } else { class.probability };
    classes.sort_by(|a, b| rank(b).total_cmp(&rank(a)));
    classes.truncate(count);
    classes
}
