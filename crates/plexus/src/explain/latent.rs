//! What a model has inside: the values behind one of its layers.

use crate::{Error, Model, Workspace};
use plexus_nn::layers::Dequantize;
use plexus_nn::{CheckedBatch, CheckedNetwork, NamedLayer, Params, Plan, Shape};
use std::sync::Arc;

/// A model up to one of its layers: it answers with the values behind it (features, latent activations).
#[derive(Debug)]
pub struct Latent {
    plan: Plan,
    layer: String,
}

impl Latent {
    /// The name of the layer.
    pub fn layer(&self) -> &str {
        &self.layer
    }

    /// The shape of the values of one row.
    pub fn shape(&self) -> &Shape {
        self.plan.network().output()
    }

    /// The values of a batch, `[rows, shape]`, channels first: one slice of rows for each input that the layer depends on.
    ///
    /// # Errors
    /// [`Error::Shape`] for rows that do not fit.
    pub fn of<'w>(&self, inputs: &[&[f32]], rows: usize, workspace: &'w mut Workspace) -> Result<&'w [f32], Error> {
        let batch: CheckedBatch<'_> = self.plan.network().batches(inputs, rows)?;
        Ok(self.plan.run(batch, &mut workspace.plan))
    }
}

impl Model {
    /// The model up to a layer, with the numbers that it has: layers behind it are not computed.
    ///
    /// # Errors
    /// [`Error::Setting`] where there is no such layer, with the names of all.
    ///
    /// # Examples
    /// ```
    /// use plexus::{Context, Model, Network, Params, Task, layers::{linear, relu}};
    /// let network = Network::chain([4], [linear(3), relu(), linear(1)]).check()?;
    /// let params = Params::initialize(&network, 1);
    /// let task = Task::Regression { outputs: vec!["price".into()] };
    /// let model = Model::new(network, &params, task, Context::single())?;
    /// let hidden = model.latent("layers.1")?;
    /// assert_eq!(hidden.shape().axes(), [3]);
    /// let values = hidden.of(&[&[1.0, 2.0, 3.0, 4.0]], 1, &mut Default::default())?.to_vec();
    /// assert!(values.len() == 3 && values.iter().all(|value| *value >= 0.0));
    /// # Ok::<(), plexus::Error>(())
    /// ```
    pub fn latent(&self, layer: &str) -> Result<Latent, Error> {
        let network = self.network();
        let value = network.value_of(self.layer_index(layer)?);
        let mut trunk = network.cut_behind(value).trunk;
        if network.quant(value).is_some() {
            // What comes out of a network are floats: those that the whole numbers stand for.
            let name = format!("{layer}.values");
            trunk.layers.push(NamedLayer::new(&name, Dequantize::new()).with_inputs([layer]));
            trunk.outputs = vec![name];
        }
        let trunk = Arc::new(trunk.check()?);
        let params = same_numbers(&trunk, &self.params());
        let plan = Plan::with(trunk, &params, crate::model::folding(), self.plan.context().clone());
        Ok(Latent { plan, layer: layer.to_string() })
    }
}

/// The numbers of the layers of a network, from those of one that has them too.
pub(crate) fn same_numbers(network: &CheckedNetwork, all: &Params) -> Params {
    let mut params = Params::zeros(network);
    for entry in network.layout().entries() {
        params.set(&entry.name, all.by_name(&entry.name).expect("the other network has this layer"));
    }
    params
}
