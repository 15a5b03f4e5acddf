//! Networks by name, with their options in one string: `mlp:512,256`, `alexnet?groups=2`.

use plexus_kernels::map::{FUNCTIONS, Function};
use plexus_nn::layer::Mismatch;
use plexus_nn::zoo::{self, AlexNet, AlexNetVariant, Cnn, LeNet5, UNet, Variant, Vgg};
use plexus_nn::{Network, Shape};

/// A network of the zoo with its options.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct NamedNetwork {
    /// Which one, and its own options.
    pub network: Zoo,
    /// Channels that the images have to have; `None` takes what comes.
    pub in_channels: Option<usize>,
    /// Outputs that are asked for; `None` takes what the data ask for.
    pub classes: Option<usize>,
}

/// The networks of [`plexus_nn::zoo`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Zoo {
    /// A multi-layer perceptron.
    Mlp {
        /// Sizes of the hidden layers.
        hidden: Vec<usize>,
        /// Between the layers.
        function: Function,
    },
    /// LeNet-5.
    LeNet5(LeNet5),
    /// AlexNet.
    AlexNet(AlexNet),
    /// VGG of one of its depths.
    Vgg(Vgg),
    /// A small convolutional network.
    Cnn(Cnn),
    /// U-Net.
    UNet(UNet),
}

/// Why a string names no network.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Misnamed {
    /// What would do, with what came where it is a part of the string.
    pub expected: String,
}

/// An option of a network of type `T`.
struct OptionOf<T> {
    name: &'static str,
    /// What it takes, for messages.
    takes: &'static str,
    /// Takes a value; `None` where it is none of its values.
    set: fn(&mut T, &str) -> Option<()>,
}

/// A whole number of a range.
fn number(text: &str, range: std::ops::RangeInclusive<usize>) -> Option<usize> {
    text.parse().ok().filter(|number| range.contains(number))
}

/// A share of what is dropped.
fn share(text: &str) -> Option<f32> {
    text.parse().ok().filter(|share| (0.0..1.0).contains(share))
}

/// Writes the options of a type: name, what it takes, how the value is read, and where it goes.
macro_rules! options {
    ($of:ty; $($name:literal, $takes:literal, |$text:ident| $read:expr, |$options:ident, $value:ident| $set:expr;)*) => {
        &[$(OptionOf::<$of> {
            name: $name,
            takes: $takes,
            set: |$options, $text| {
                let $value = $read?;
                $set;
                Some(())
            },
        }),*]
    };
}

const OF_MLP: &[OptionOf<Function>] = options! { Function;
    "activation", "NAME", |text| Function::named(text), |function, value| *function = value;
};

/// Options of LeNet-5, and whether one was said that the original does not have.
type OfLeNet5 = (LeNet5, bool);

const OF_LENET5: &[OptionOf<OfLeNet5>] = options! { OfLeNet5;
    "activation", "NAME", |text| Function::named(text), |of, value| (of.0.function, of.1) = (value, true);
    "pooling", "max or average", |text| ["max", "average"].iter().position(|name| *name == text),
        |of, value| (of.0.average, of.1) = (value == 1, true);
    "padding", "PIXELS", |text| number(text, 0..=1024), |of, value| of.0.padding = Some(value);
    "variant", "modern or original", |text| ["modern", "original"].iter().position(|name| *name == text),
        |of, value| of.0.variant = [Variant::Modern, Variant::Original][value];
};

const OF_ALEXNET: &[OptionOf<AlexNet>] = options! { AlexNet;
    "groups", "1 or 2", |text| number(text, 1..=2), |of, value| of.groups = value;
    "variant", "paper or torchvision", |text| ["paper", "torchvision"].iter().position(|name| *name == text),
        |of, value| of.variant = [AlexNetVariant::Paper, AlexNetVariant::Torchvision][value];
    "lrn", "true or false", |text| text.parse().ok(), |of, value| of.lrn = value;
    "dropout", "a SHARE below 1", |text| share(text), |of, value| of.dropout = value;
};

const OF_UNET: &[OptionOf<UNet>] = options! { UNet;
    "width", "FILTERS of the first level, 1 to 1024", |text| number(text, 1..=1024), |of, value| of.width = value;
    "depth", "1 to 6", |text| number(text, 1..=6), |of, value| of.depth = value;
    "padding", "valid or same", |text| ["valid", "same"].iter().position(|name| *name == text),
        |of, value| of.same = value == 1;
    "batch_norm", "true or false", |text| text.parse().ok(), |of, value| of.batch_norm = value;
};

const OF_VGG: &[OptionOf<Vgg>] = options! { Vgg;
    "batch_norm", "true or false", |text| text.parse().ok(), |of, value| of.batch_norm = value;
    "dropout", "a SHARE below 1", |text| share(text), |of, value| of.dropout = value;
};

const OF_CNN: &[OptionOf<Cnn>] = options! { Cnn;
    "width", "FILTERS of the first stage, 1 to 4096", |text| number(text, 1..=4096), |of, value| of.width = value;
    "stages", "1 to 6", |text| number(text, 1..=6), |of, value| of.stages = value;
    "batch_norm", "true or false", |text| text.parse().ok(), |of, value| of.batch_norm = value;
    "dropout", "a SHARE below 1", |text| share(text), |of, value| of.dropout = value;
};

/// What every network for images may be told of its ends.
#[derive(Default)]
struct Ends {
    in_channels: Option<usize>,
    classes: Option<usize>,
}

/// More channels or classes than this are a mistake.
const MOST: usize = 1 << 20;

const OF_ENDS: &[OptionOf<Ends>] = options! { Ends;
    "in_channels", "CHANNELS of the images", |text| number(text, 1..=MOST), |of, value| of.in_channels = Some(value);
    "classes", "OUTPUTS", |text| number(text, 1..=MOST), |of, value| of.classes = Some(value);
};

/// Reads `name=value&name=value` into the options of a network, and into those of its ends where it has such.
fn read<T>(
    network: &str,
    options: &str,
    own: &[OptionOf<T>],
    of: &mut T,
    mut ends: Option<&mut Ends>,
) -> Result<(), Misnamed> {
    let of_ends = if ends.is_some() { OF_ENDS } else { &[] };
    let names: Vec<(&str, &str)> = own.iter().map(|option| (option.name, option.takes)).collect();
    let names = [names, of_ends.iter().map(|option| (option.name, option.takes)).collect()].concat();
    for option in options.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let taken = match own.iter().find(|option| option.name == name) {
            Some(option) => (option.set)(of, value),
            None => match (of_ends.iter().find(|option| option.name == name), &mut ends) {
                (Some(option), Some(ends)) => (option.set)(ends, value),
                _ => None,
            },
        };
        if taken.is_some() {
            continue;
        }
        if let Some((_, takes)) = names.iter().find(|known| known.0 == name) {
            let all = match *takes == "NAME" {
                true => format!(": {}", FUNCTIONS.iter().map(|row| row.name).collect::<Vec<_>>().join(", ")),
                false => String::new(),
            };
            return Err(Misnamed { expected: format!("used with {name}={takes}{all}; {} is none", shown(option)) });
        }
        let near = nearest(name, names.iter().map(|known| known.0));
        let near = near.map(|near| format!(" (did you mean {near}?)")).unwrap_or_default();
        let known: Vec<String> = names.iter().map(|(name, takes)| format!("{name}={takes}")).collect();
        let what = format!("followed by ? and options of {network} with & between them{near}");
        return Err(Misnamed { expected: format!("{what}: {}", known.join(", ")) });
    }
    Ok(())
}

/// A part of what was written, cut to what fits a message.
fn shown(text: &str) -> String {
    let cut: String = text.chars().take(40).collect();
    format!("{cut:?}")
}

/// The name that is meant, where one is near.
fn nearest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wrong: String = wrong.chars().take(40).collect::<String>().to_lowercase();
    let distances = names.map(|name| (strsim::damerau_levenshtein(name, &wrong), name));
    distances.filter(|(far, name)| *far <= name.len().div_ceil(3)).min().map(|(_, name)| name)
}

impl NamedNetwork {
    /// The names, without options.
    pub const NAMES: [&str; 9] = ["mlp", "lenet5", "alexnet", "vgg11", "vgg13", "vgg16", "vgg19", "cnn", "unet"];

    /// The forms, for messages.
    pub const FORMS: &str = "mlp, mlp:512,256, mlp:64?activation=tanh, lenet5, lenet5?variant=original, alexnet, \
                             alexnet?groups=2, vgg11, vgg13, vgg16, vgg19, cnn, unet, \
                             unet?padding=same&classes=2";

    /// Whether a string begins with one of the names.
    pub fn is_named(text: &str) -> bool {
        text.split([':', '?']).next().is_some_and(|name| NamedNetwork::NAMES.contains(&name))
    }

    /// Reads a name with its options.
    ///
    /// # Errors
    /// [`Misnamed`] for an unknown name or option, or a value that an option does not take.
    pub fn parse(text: &str) -> Result<Self, Misnamed> {
        let (name, options) = text.split_once('?').unwrap_or((text, ""));
        let (name, sizes) = name.split_once(':').map_or((name, None), |(name, sizes)| (name, Some(sizes)));
        if name == "mlp" {
            let mut function = Function::Relu;
            read(name, options, OF_MLP, &mut function, None)?;
            let network = Zoo::Mlp { hidden: hidden(sizes.unwrap_or("128"))?, function };
            return Ok(NamedNetwork { network, in_channels: None, classes: None });
        }
        if !NamedNetwork::NAMES.contains(&name) {
            let near = nearest(name, NamedNetwork::NAMES.into_iter());
            let near = near.map(|near| format!(" (did you mean {near}?)")).unwrap_or_default();
            return Err(Misnamed { expected: format!("one of {}{near}", NamedNetwork::FORMS) });
        }
        if sizes.is_some() {
            return Err(Misnamed { expected: format!("{name} without a colon: sizes behind one belong to mlp") });
        }
        let mut ends = Ends::default();
        let network = match name {
            "lenet5" => {
                let mut of = OfLeNet5::default();
                read(name, options, OF_LENET5, &mut of, Some(&mut ends))?;
                if of.1 && of.0.variant == Variant::Original {
                    let own = "the original has the activation and the pooling of the paper";
                    let expected = format!("variant=original without activation= and pooling=: {own}");
                    return Err(Misnamed { expected });
                }
                Zoo::LeNet5(of.0)
            }
            "alexnet" => {
                let mut of = AlexNet::default();
                read(name, options, OF_ALEXNET, &mut of, Some(&mut ends))?;
                if of.groups == 2 && of.variant == AlexNetVariant::Torchvision {
                    let expected = "variant=torchvision without groups=2: it has one group".to_string();
                    return Err(Misnamed { expected });
                }
                Zoo::AlexNet(of)
            }
            "cnn" => {
                let mut of = Cnn::default();
                read(name, options, OF_CNN, &mut of, Some(&mut ends))?;
                Zoo::Cnn(of)
            }
            "unet" => {
                let mut of = UNet::default();
                read(name, options, OF_UNET, &mut of, Some(&mut ends))?;
                Zoo::UNet(of)
            }
            vgg => {
                let depth = vgg.trim_start_matches("vgg").parse().unwrap_or_default();
                let mut of = Vgg { depth, ..Vgg::default() };
                read(name, options, OF_VGG, &mut of, Some(&mut ends))?;
                Zoo::Vgg(of)
            }
        };
        let Ends { in_channels, classes } = ends;
        Ok(NamedNetwork { network, in_channels, classes })
    }

    /// The name, without options.
    pub fn name(&self) -> String {
        match &self.network {
            Zoo::Mlp { .. } => "mlp".to_string(),
            Zoo::LeNet5(_) => "lenet5".to_string(),
            Zoo::AlexNet(_) => "alexnet".to_string(),
            Zoo::Vgg(vgg) => format!("vgg{}", vgg.depth),
            Zoo::Cnn(_) => "cnn".to_string(),
            Zoo::UNet(_) => "unet".to_string(),
        }
    }

    /// The input that it was made for, with the channels that were asked for; `None` where it takes any.
    pub fn input(&self) -> Option<Shape> {
        let input = match &self.network {
            Zoo::Mlp { .. } => return None,
            Zoo::LeNet5(_) => Shape::new([1, 28, 28]),
            Zoo::AlexNet(of) => of.input(),
            Zoo::Vgg(of) => of.input(),
            Zoo::Cnn(of) => of.input(),
            Zoo::UNet(of) => of.input(),
        };
        let mut axes = input.axes().to_vec();
        axes[0] = self.in_channels.unwrap_or(axes[0]);
        Some(Shape::new(axes))
    }

    /// The layers with their names in PyTorch's collections, for [`Model::from_torch`](crate::Model::from_torch); `None` where
    /// there are none (see [`plexus_nn::zoo`]).
    pub fn torch_names(&self) -> Option<Vec<(String, String)>> {
        match &self.network {
            Zoo::AlexNet(of) => zoo::alexnet_torch_names(*of),
            Zoo::Vgg(of) => zoo::vgg_torch_names(*of),
            Zoo::UNet(of) => zoo::unet_torch_names(*of),
            Zoo::Mlp { .. } | Zoo::LeNet5(_) | Zoo::Cnn(_) => None,
        }
    }

    /// Whether a layer is the first convolution, which has the channels of the images.
    pub(crate) fn is_first(&self, layer: &str) -> bool {
        ["conv1", "conv1_1", "down1.conv1"].contains(&layer)
    }

    /// The outputs that were asked for, or those that it was made for; `None` where it takes any.
    pub fn outputs(&self) -> Option<usize> {
        let own = match &self.network {
            Zoo::Mlp { .. } => None,
            Zoo::LeNet5(_) | Zoo::Cnn(_) => Some(10),
            Zoo::AlexNet(_) | Zoo::Vgg(_) => Some(1000),
            Zoo::UNet(_) => Some(2),
        };
        self.classes.or(own)
    }

    /// The network for an input, and for the names and sizes of its outputs, at least one. An `mlp` has a linear layer for each
    /// of several, the others take one.
    ///
    /// # Errors
    /// [`Mismatch`] where the network does not take such an input, or so many outputs.
    pub fn build(&self, input: Shape, heads: &[(String, usize)]) -> Result<Network, Mismatch> {
        let outputs = heads.first().map_or(1, |(_, outputs)| *outputs);
        if let Zoo::Mlp { hidden, function } = &self.network {
            return Ok(match heads {
                [_] | [] => zoo::mlp(input, hidden, outputs, *function),
                heads => zoo::mlp_heads(input, hidden, heads, *function),
            });
        }
        if heads.len() > 1 {
            let help = "Write the network in a file, with an output for each target.";
            return Err(Mismatch::new("the number of outputs", "one", format!("{} targets", heads.len()), help));
        }
        if let (Some(expected), Some(&got)) = (self.in_channels, input.axes().first())
            && expected != got
        {
            let expected = format!("{expected} channels (its in_channels)");
            let help = format!("Leave in_channels out, or write in_channels={got}.");
            return Err(Mismatch::new("the channels of the input", expected, format!("{got} channels"), help));
        }
        if let Some(classes) = self.classes.filter(|classes| *classes != outputs) {
            let expected = format!("{classes} (its classes)");
            let help = format!("Leave classes out, or write classes={outputs}.");
            return Err(Mismatch::new("the number of outputs", expected, outputs.to_string(), help));
        }
        match &self.network {
            Zoo::Mlp { .. } => unreachable!("it was built above"),
            Zoo::LeNet5(of) => zoo::lenet5(input, outputs, *of),
            Zoo::AlexNet(of) => zoo::alexnet(input, outputs, *of),
            Zoo::Vgg(of) => zoo::vgg(input, outputs, *of),
            Zoo::Cnn(of) => zoo::cnn(input, outputs, *of),
            Zoo::UNet(of) => zoo::unet(input, outputs, *of),
        }
    }
}

/// The sizes behind `mlp:`; nothing there is a linear model.
fn hidden(sizes: &str) -> Result<Vec<usize>, Misnamed> {
    let refuse = |expected: &str| Err(Misnamed { expected: expected.to_string() });
    let size = |size: &str| match size.trim().parse::<usize>() {
        Ok(0) => refuse("made of hidden layers of at least one neuron"),
        Ok(size) if size <= 1 << 24 => Ok(size),
        Ok(_) => refuse("made of hidden layers of at most 16,777,216 neurons"),
        Err(_) => refuse("\"mlp:\" and whole numbers with commas between them, as mlp:512,256"),
    };
    if sizes.is_empty() { Ok(Vec::new()) } else { sizes.split(',').map(size).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Zoo {
        NamedNetwork::parse(text).unwrap_or_else(|refusal| panic!("{text}: {}", refusal.expected)).network
    }

    fn refused(text: &str) -> String {
        NamedNetwork::parse(text).expect_err(text).expected
    }

    #[test]
    fn every_name_builds_at_its_own_size() {
        for name in NamedNetwork::NAMES {
            let named = NamedNetwork::parse(name).unwrap();
            assert_eq!(named.name(), name);
            let input = named.input().unwrap_or_else(|| Shape::new([4]));
            let heads = [("output".to_string(), named.outputs().unwrap_or(3))];
            let network = named.build(input, &heads).unwrap().check().unwrap();
            assert_eq!(network.output().axes()[0], heads[0].1, "{name}");
            assert!(NamedNetwork::is_named(name) && NamedNetwork::is_named(&format!("{name}?x")), "{name}");
        }
        for form in NamedNetwork::FORMS.replace(", ", " ").split(' ') {
            parsed(form);
        }
    }

    #[test]
    fn options_go_where_they_belong() {
        let small = UNet { width: 8, depth: 2, same: true, batch_norm: true };
        assert_eq!(parsed("unet?width=8&depth=2&padding=same&batch_norm=true&in_channels=3"), Zoo::UNet(small));
        assert_eq!(parsed("alexnet?lrn=true"), Zoo::AlexNet(AlexNet { lrn: true, ..AlexNet::default() }));
        let alexnet = AlexNet { groups: 2, dropout: 0.5, ..AlexNet::default() };
        assert_eq!(parsed("alexnet?groups=2&dropout=0.5"), Zoo::AlexNet(alexnet));
        assert_eq!(parsed("vgg11?batch_norm=true"), Zoo::Vgg(Vgg { depth: 11, batch_norm: true, dropout: 0.0 }));
        let cnn = Cnn { width: 8, stages: 2, ..Cnn::default() };
        assert_eq!(parsed("cnn?width=8&stages=2"), Zoo::Cnn(cnn));
        assert_eq!(parsed("mlp:"), Zoo::Mlp { hidden: Vec::new(), function: Function::Relu });
        assert_eq!(parsed("mlp:3, 4?activation=tanh"), Zoo::Mlp { hidden: vec![3, 4], function: Function::Tanh });
        let ends = NamedNetwork::parse("vgg16?in_channels=1&classes=7").unwrap();
        assert_eq!((ends.input(), ends.outputs()), (Some(Shape::new([1, 224, 224])), Some(7)));
        let build = |channels: usize, outputs: usize| {
            ends.build(Shape::new([channels, 32, 32]), &[("class".to_string(), outputs)])
        };
        assert!(build(1, 7).is_ok());
        assert_eq!(build(3, 7).unwrap_err().compared, "the channels of the input");
        assert_eq!(build(1, 8).unwrap_err().compared, "the number of outputs");
    }

    #[test]
    fn lenet5_of_the_paper_takes_padding_and_no_other_layers() {
        let original = LeNet5 { variant: Variant::Original, ..LeNet5::default() };
        assert_eq!(parsed("lenet5?variant=original"), Zoo::LeNet5(original));
        let padded = LeNet5 { padding: Some(0), ..original };
        assert_eq!(parsed("lenet5?padding=0&variant=original"), Zoo::LeNet5(padded));
        let average = LeNet5 { average: true, ..LeNet5::default() };
        assert_eq!(parsed("lenet5?variant=modern&pooling=average"), Zoo::LeNet5(average));
        let both = "without activation= and pooling=";
        assert!(refused("lenet5?variant=original&activation=relu").contains(both));
        assert!(refused("lenet5?pooling=max&variant=original").contains(both));
        let named = NamedNetwork::parse("lenet5?variant=original").unwrap();
        let network = named.build(Shape::new([1, 28, 28]), &[("digit".to_string(), 10)]).unwrap().check().unwrap();
        assert_eq!((network.layout().weights_len(), network.layout().state_len()), (60_000, 840));
    }

    #[test]
    fn refusals_name_what_is_wrong_and_what_would_do() {
        for (text, words) in [
            ("vgg12", &["did you mean vgg", "alexnet?groups=2"][..]),
            ("alexnett", &["did you mean alexnet?"]),
            (
                "alexnet?group=2",
                &["options of alexnet", "did you mean groups?", "variant=paper or torchvision", "classes"],
            ),
            ("alexnet?groups=3", &["groups=1 or 2", "\"groups=3\" is none"]),
            ("alexnet?groups", &["groups=1 or 2"]),
            ("alexnet?variant=torchvision&groups=2", &["one group"]),
            ("vgg16?batch_norm=yes", &["batch_norm=true or false", "batch_norm=yes"]),
            ("vgg16?dropout=1", &["below 1"]),
            ("cnn?classes=0", &["classes=OUTPUTS"]),
            ("lenet5?variant=other", &["modern or original"]),
            ("lenet5?activation=rellu", &["activation=NAME", "relu, leaky_relu"]),
            ("cnn:32", &["without a colon"]),
            ("mlp:0", &["at least one neuron"]),
            ("mlp:a", &["whole numbers"]),
            ("mlp:99999999", &["16,777,216"]),
            ("mlp?classes=3", &["options of mlp", "activation=NAME"]),
            ("", &["one of mlp"]),
        ] {
            let refusal = refused(text);
            assert!(words.iter().all(|word| refusal.contains(word)), "{text}: {refusal}");
        }
    }
}
