//! What a person asks for: a network by a short name or a file, and a run with all its settings.

use crate::error::Error;
use crate::files;
use plexus_formats::NetworkText;
use plexus_kernels::map::{FUNCTIONS, Function};
use plexus_nn::layers::{Flatten, Reshape};
use plexus_nn::zoo::{self, LeNet5, Variant};
use plexus_nn::{Network, Shape};
use plexus_train::data::{DataOptions, SOURCES};
use plexus_train::target::ScaleKind;
use plexus_train::trainer::Settings;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A network as a person names it: `mlp:512,256`, `mlp:64?activation=tanh`, or a TOML file.
#[derive(Clone, Debug, PartialEq)]
pub enum NetworkSpec {
    /// A multi-layer perceptron with these hidden layers.
    Mlp {
        /// Sizes of the hidden layers.
        hidden: Vec<usize>,
        /// Between the layers.
        function: Function,
    },
    /// LeNet-5.
    LeNet5(LeNet5),
    /// Written out.
    Text(NetworkText),
}

impl NetworkSpec {
    /// The forms, for messages.
    pub const FORMS: &str = "mlp, mlp:512,256, mlp:64?activation=tanh, lenet5, lenet5?activation=tanh&pooling=average, \
                             lenet5?variant=original, or a file ending in .toml";

    /// Reads what a person wrote.
    ///
    /// # Errors
    /// [`Error::Setting`] for an unknown form, [`Error::Network`] for a file that does not read.
    pub fn parse(spec: &str) -> Result<Self, Error> {
        if Path::new(spec).extension().is_some_and(|extension| extension == "toml") {
            let bytes = files::read(Path::new(spec))?;
            return NetworkSpec::from_text(&String::from_utf8_lossy(&bytes), spec);
        }
        let refuse = |expected: String| {
            let got = format!("\"{spec}\"");
            Error::Setting { name: "network", got, expected, remedy: None }
        };
        let (name, options) = spec.split_once('?').unwrap_or((spec, ""));
        let options = || options.split('&').filter(|option| !option.is_empty());
        let function = |name: &str| {
            Function::named(name).ok_or_else(|| {
                let names: Vec<&str> = FUNCTIONS.iter().map(|row| row.name).collect();
                refuse(format!("used with one of the activations {}", names.join(", ")))
            })
        };
        if name == "lenet5" {
            let (mut lenet, mut modern) = (LeNet5::default(), false);
            for option in options() {
                match option.split_once('=') {
                    Some(("activation", name)) => (lenet.function, modern) = (function(name)?, true),
                    Some(("pooling", name @ ("max" | "average"))) => {
                        (lenet.average, modern) = (name == "average", true);
                    }
                    Some(("variant", "modern")) => lenet.variant = Variant::Modern,
                    Some(("variant", "original")) => lenet.variant = Variant::Original,
                    Some(("padding", size)) if size.parse::<usize>().is_ok_and(|size| size <= 1024) => {
                        lenet.padding = size.parse().ok();
                    }
                    _ => {
                        let known =
                            "activation=NAME, pooling=max or average, padding=PIXELS, variant=modern or original";
                        return Err(refuse(format!(
                            "followed by ? and options of lenet5 with & between them: {known}"
                        )));
                    }
                }
            }
            if modern && lenet.variant == Variant::Original {
                let own = "the original has the activation and the pooling of the paper";
                return Err(refuse(format!("variant=original without activation= and pooling=: {own}")));
            }
            return Ok(NetworkSpec::LeNet5(lenet));
        }
        let (name, sizes) = name.split_once(':').unwrap_or((name, "128"));
        if name != "mlp" {
            return Err(refuse(NetworkSpec::FORMS.to_string()));
        }
        let size = |size: &str| match size.trim().parse::<usize>() {
            Ok(0) => Err(refuse("made of hidden layers of at least one neuron".to_string())),
            Ok(size) if size <= 1 << 24 => Ok(size),
            Ok(_) => Err(refuse("made of hidden layers of at most 16,777,216 neurons".to_string())),
            Err(_) => Err(refuse("\"mlp:\" and whole numbers with commas between them, as mlp:512,256".to_string())),
        };
        // `mlp:` with nothing behind the colon is a linear model.
        let hidden =
            if sizes.is_empty() { Vec::new() } else { sizes.split(',').map(size).collect::<Result<_, _>>()? };
        let mut between = Function::Relu;
        for option in options() {
            match option.split_once('=') {
                Some(("activation", name)) => between = function(name)?,
                _ => return Err(refuse("followed by no other option than ?activation=NAME".to_string())),
            }
        }
        Ok(NetworkSpec::Mlp { hidden, function: between })
    }

    /// Reads the text form; `source` names it in messages.
    ///
    /// # Errors
    /// [`Error::Network`] where it does not read.
    pub fn from_text(text: &str, source: &str) -> Result<Self, Error> {
        Ok(NetworkSpec::Text(plexus_formats::parse_network(text, source)?))
    }

    /// The network for an input and, for the short forms, the names and sizes of its outputs, at least one. An `mlp` has a linear
    /// layer for each of several, `lenet5` takes one.
    ///
    /// # Errors
    /// - [`Error::Network`]: a written input shape is not that of the data
    /// - [`Error::Mismatch`]: the network does not take such an input, or so many outputs
    pub fn build(self, input: Shape, heads: &[(String, usize)]) -> Result<Network, Error> {
        let outputs = heads.first().map_or(1, |(_, outputs)| *outputs);
        match self {
            NetworkSpec::Mlp { hidden, function } => Ok(match heads {
                [_] | [] => zoo::mlp(input, &hidden, outputs, function),
                heads => zoo::mlp_heads(input, &hidden, heads, function),
            }),
            NetworkSpec::LeNet5(_) if heads.len() > 1 => Err(Error::Mismatch {
                what: "the number of outputs",
                model: "one, as lenet5 has".to_string(),
                data: format!("{} targets", heads.len()),
                help: "Write the network in a file, with an output for each target.".to_string(),
            }),
            NetworkSpec::LeNet5(options) => {
                let got = input.to_string();
                zoo::lenet5(input, outputs, options).map_err(|mismatch| Error::Mismatch {
                    what: "the input shape",
                    model: format!("lenet5, which reads {}", mismatch.expected),
                    data: got,
                    help: mismatch.help,
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
    /// The network as named by the user.
    pub network: String,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lenet5_of_the_paper_takes_padding_and_no_other_layers() {
        let lenet = |spec: &str| match NetworkSpec::parse(spec) {
            Ok(NetworkSpec::LeNet5(options)) => options,
            other => panic!("{spec}: {other:?}"),
        };
        let original = LeNet5 { variant: Variant::Original, ..LeNet5::default() };
        assert_eq!(lenet("lenet5?variant=original"), original);
        assert_eq!(lenet("lenet5?padding=0&variant=original"), LeNet5 { padding: Some(0), ..original });
        assert_eq!(lenet("lenet5?variant=modern&pooling=average"), LeNet5 { average: true, ..LeNet5::default() });
        for refused in [
            "lenet5?variant=original&activation=relu",
            "lenet5?pooling=max&variant=original",
            "lenet5?variant=other",
            "lenet5?variant",
        ] {
            assert!(matches!(NetworkSpec::parse(refused), Err(Error::Setting { .. })), "{refused}");
        }
        let network = NetworkSpec::LeNet5(original)
            .build(Shape::new([1, 28, 28]), &[("digit".to_string(), 10)])
            .unwrap()
            .check()
            .unwrap();
        assert_eq!((network.layout().weights_len(), network.layout().state_len()), (60_000, 840));
    }
}
