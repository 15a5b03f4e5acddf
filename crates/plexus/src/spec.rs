//! What a person asks for: a network by a short name or a file, and a run with all its settings.

use crate::error::Error;
use crate::files;
use crate::named::{Misnamed, NamedNetwork};
use plexus_formats::NetworkText;
use plexus_nn::layer::Mismatch;
use plexus_nn::layers::{Flatten, Reshape};
use plexus_nn::{Network, Shape};
use plexus_train::data::{DataOptions, SOURCES};
use plexus_train::target::ScaleKind;
use plexus_train::trainer::Settings;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A network as a person names it: one of the zoo, as `mlp:512,256` or `alexnet?groups=2`, or a TOML file.
#[derive(Clone, Debug, PartialEq)]
pub enum NetworkSpec {
    /// One of the zoo.
    Named(NamedNetwork),
    /// Written out.
    Text(NetworkText),
}

impl NetworkSpec {
    /// Reads what a person wrote.
    ///
    /// # Errors
    /// [`Error::Setting`] for an unknown form, [`Error::Network`] for a file that does not read.
    pub fn parse(spec: &str) -> Result<Self, Error> {
        if Path::new(spec).extension().is_some_and(|extension| extension == "toml") {
            let bytes = files::read(Path::new(spec))?;
            return NetworkSpec::from_text(&String::from_utf8_lossy(&bytes), spec);
        }
        NamedNetwork::parse(spec).map(NetworkSpec::Named).map_err(|Misnamed { expected }| {
            let expected = match NamedNetwork::is_named(spec) {
                true => expected,
                false => format!("{expected}, or a file ending in .toml"),
            };
            Error::Setting { name: "network", got: format!("\"{spec}\""), expected, remedy: None }
        })
    }

    /// Reads the text form; `source` names it in messages.
    ///
    /// # Errors
    /// [`Error::Network`] where it does not read.
    pub fn from_text(text: &str, source: &str) -> Result<Self, Error> {
        Ok(NetworkSpec::Text(plexus_formats::parse_network(text, source)?))
    }

    /// The network for an input and, for those of the zoo, the names and sizes of its outputs: see [`NamedNetwork::build`].
    ///
    /// # Errors
    /// - [`Error::Network`]: a written input shape is not that of the data
    /// - [`Error::Mismatch`]: the network does not take such an input, or so many outputs
    pub fn build(self, input: Shape, heads: &[(String, usize)]) -> Result<Network, Error> {
        match self {
            NetworkSpec::Named(named) => {
                let shape = input.to_string();
                named.build(input, heads).map_err(|mismatch| {
                    let Mismatch { compared, expected, got, help, .. } = mismatch;
                    let name = named.name();
                    let (what, model, data) = match &*compared {
                        "the number of outputs" => ("the number of outputs", format!("{expected}, as {name} has"), got),
                        _ => ("the input shape", format!("{name}, which reads {expected}"), shape),
                    };
                    Error::Mismatch { what, model, data, help }
                })
            }
            NetworkSpec::Text(text) => {
                // Another shape with as many numbers is taken as meant: [784] for images of 1x28x28.
                if let Some(written) =
                    text.input.clone().filter(|written| *written != input && written.len() == input.len())
                {
                    let layer = match written.axes() {
                        [_] => Flatten::default().into(),
                        _ => Reshape::new(written.clone()).into(),
                    };
                    text.clone().into_checked(Some(written))?;
                    let mut network = text.into_network(None)?;
                    network.insert_front("reshaped_input", layer);
                    network.inputs[0].shape = input;
                    return Ok(network);
                }
                if let Some(written) = &text.input
                    && *written != input
                {
                    return Err(Error::Mismatch {
                        what: "the input shape",
                        model: written.to_string(),
                        data: input.to_string(),
                        help: format!("Write input = {input} in the network file, or leave the line out."),
                    });
                }
                // Checked here only for the message, which then names the line; the caller checks what it runs.
                text.clone().into_checked(Some(input.clone()))?;
                Ok(text.into_network(Some(input))?)
            }
        }
    }
}

/// Everything a run is made from. A copy is kept in the run folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunSpec {
    /// Where the data comes from, e.g. `digits` or `mnist:data/mnist`.
    pub data: String,
    /// How to read it.
    pub data_options: DataOptions,
    /// The network as named by the user; of a run that goes on from a model, the name of its file.
    pub network: String,
    /// The model file that training goes on from, in place of a network: see [`Model::pretrained`](crate::Model::pretrained).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<PathBuf>,
    /// The layer of that model until which all stays as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freeze_until: Option<String>,
    /// The classes of the data, for which that model gets a new last layer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<usize>,
    /// The whole numbers that the run ends with; `None` for floats to the end.
    #[cfg(feature = "quant")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantize: Option<crate::WholeNumbers>,
    /// Optimizer, schedule, loss, sizes, seed.
    pub settings: Settings,
    /// The share of the training rows kept out for validation, in 0..1.
    pub validation: f64,
    /// Whether a layer that brings inputs to mean 0 and standard deviation 1 is put in front.
    #[serde(alias = "standardise")]
    pub standardize: bool,
    /// The scale on which a number is learnt.
    #[serde(default)]
    pub target_scale: ScaleKind,
    /// The folder that relative paths of the data start from, so that the run can go on from any other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<PathBuf>,
    /// How tables are read, as a number that rises when that changes: see [`RunSpec::READING`].
    #[serde(default)]
    pub reading: u32,
}

impl RunSpec {
    /// How this version reads tables. A run that was begun by another cannot go on.
    pub const READING: u32 = 1;

    /// Where data that the user named is found: from the present folder as it was named, else where it was when the run
    /// began.
    pub(crate) fn located(&self, data: &str) -> String {
        let (prefix, path) = match data.split_once(':') {
            Some((prefix, path)) if SOURCES.iter().any(|source| source.prefix == prefix) => {
                (format!("{prefix}:"), path)
            }
            _ => (String::new(), data),
        };
        // Options stand behind a folder of images.
        let (path, options) = match path.rfind('?') {
            Some(at) if !Path::new(path).exists() => path.split_at(at),
            _ => (path, ""),
        };
        let directory = self.directory.as_ref().filter(|_| !Path::new(path).exists());
        let there = directory.map(|directory| directory.join(path)).filter(|there| there.exists());
        there.map_or_else(|| data.to_string(), |there| format!("{prefix}{}{options}", there.display()))
    }
}
