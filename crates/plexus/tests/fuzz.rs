//! Arbitrary networks, data, settings, files and calls through the public API: errors are fine, panics are not.
//!
//! `PLEXUS_FUZZ` says how many executions; the usual number is what a test may take. A failure names the execution, and
//! `PLEXUS_FUZZ_FROM` begins there.

use arbitrary::{Arbitrary, Result, Unstructured};
use plexus::layers::Layer;
use plexus::train::data::{Augment, DataOptions, Schema};
use plexus::train::target::ScaleKind;
use plexus::{
    Adam, Context, Dataset, Event, Flow, Graph, InputRows, Isa, Loss, Model, NamedLayer, Network, NetworkSpec, Node,
    Objective, Optimizer, Params, PlanOptions, Pool, RmsProp, Samples, Schedule, Settings, Sgd, Shape, Targets, Task,
    Workspace,
};
use plexus_kernels::random::{Random, Stream};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

/// Mostly a small number, now and then one at the edge.
fn size(u: &mut Unstructured) -> Result<usize> {
    Ok(match u.int_in_range(0..=40)? {
        0 => *u.choose(&[usize::MAX, usize::MAX / 4, 1 << 40, 1 << 31, 65_537])?,
        at => at % 8,
    })
}

fn float(u: &mut Unstructured) -> Result<f32> {
    Ok(match u.int_in_range(0..=9)? {
        0 => f32::arbitrary(u)?,
        1 => *u.choose(&[f32::NAN, f32::INFINITY, f32::MAX, -0.0, f32::MIN_POSITIVE, -1.0])?,
        _ => f32::from(i8::arbitrary(u)?) / 32.0,
    })
}

fn double(u: &mut Unstructured) -> Result<f64> {
    Ok(f64::from(float(u)?))
}

fn floats(u: &mut Unstructured, count: usize) -> Result<Vec<f32>> {
    (0..count.min(4096)).map(|_| float(u)).collect()
}

fn names(u: &mut Unstructured, count: usize) -> Result<Vec<String>> {
    (0..count.min(64)).map(|at| Ok(if u.ratio(1, 12)? { String::arbitrary(u)? } else { format!("n{at}") })).collect()
}

fn shape(u: &mut Unstructured) -> Result<Shape> {
    let axes = u.int_in_range(0..=3)?;
    Ok(Shape::new((0..axes).map(|_| size(u)).collect::<Result<Vec<usize>>>()?))
}

/// What whole numbers stand for, mostly something possible.
fn quant(u: &mut Unstructured) -> Result<Value> {
    let dtype = *u.choose(&["i8", "i8", "i8", "i16", "f32"])?;
    let scale = if u.ratio(1, 12)? { float(u)? } else { *u.choose(&[0.5, 0.25, 1.0, 0.1, 1e-20, 1e17])? };
    let zero_point = if u.ratio(1, 3)? { i32::arbitrary(u)? >> 24 } else { 0 };
    Ok(json!({ "dtype": dtype, "scale": scale, "zero_point": zero_point }))
}

fn integers(u: &mut Unstructured) -> Result<Value> {
    let arithmetic = if bool::arbitrary(u)? {
        let rounding = *u.choose(&["double", "single", "float64", "float32_even"])?;
        json!({ "affine": { "rounding": rounding, "per_channel": bool::arbitrary(u)? } })
    } else {
        let fraction = |u: &mut Unstructured| Ok(i32::arbitrary(u)? >> *u.choose(&[0, 26, 27, 28])?);
        json!({ "power_of_two": {
            "weight_fraction": fraction(u)?,
            "bias_fraction": fraction(u)?,
            "rounding": *u.choose(&["half_up", "floor"])?,
            "wide": bool::arbitrary(u)?,
        } })
    };
    Ok(json!({ "weight": *u.choose(&["i4", "i8", "i8", "i16"])?, "arithmetic": arithmetic, "output": quant(u)? }))
}

/// The keys of the float form of a layer of whole numbers.
fn float_form(u: &mut Unstructured, kind: &str) -> Result<Value> {
    let mut keys = match kind {
        "integer_linear" => json!({ "out_features": size(u)?, "bias": bool::arbitrary(u)? }),
        "integer_concat" | "integer_softmax" if bool::arbitrary(u)? => json!({ "axis": size(u)? }),
        "integer_concat" | "integer_softmax" => json!({}),
        "integer_max_pool2d" | "integer_avg_pool2d" => {
            json!({ "kernel_size": size(u)?, "ceil_mode": bool::arbitrary(u)? })
        }
        _ => json!({ "kernel_size": size(u)?, "out_channels": size(u)?, "groups": 1 + u.int_in_range(0..=2)? }),
    };
    if keys.get("kernel_size").is_some() {
        for key in ["stride", "padding"] {
            if u.ratio(1, 3)? {
                keys[key] = json!(size(u)?);
            }
        }
    }
    Ok(keys)
}

/// A layer in the form of files, so that odd fields are tried too.
fn layer(u: &mut Unstructured, whole: bool) -> Result<Option<Layer>> {
    const KINDS: &[(&str, &[&str])] = &[
        ("linear", &["out_features", "in_features", "bias", "weight_init"]),
        ("activation", &["function"]),
        ("softmax", &["axis"]),
        ("log_softmax", &["axis"]),
        ("flatten", &["order"]),
        ("reshape", &["shape"]),
        ("dropout", &["probability"]),
        ("batch_norm", &["epsilon", "momentum", "axis", "affine"]),
        ("layer_norm", &["epsilon"]),
        ("standardize", &["per_feature"]),
        ("add", &[]),
        ("concat", &["axis"]),
        ("unflatten", &["shape", "order"]),
        ("conv2d", &["out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "bias"]),
        ("max_pool2d", &["kernel_size", "stride", "padding", "dilation"]),
        ("avg_pool2d", &["kernel_size", "stride", "padding", "count_include_pad"]),
        ("global_avg_pool", &[]),
        ("global_max_pool", &[]),
        ("upsample", &["factor", "mode"]),
        ("adaptive_avg_pool2d", &["output_size"]),
        (
            "conv_transpose2d",
            &["out_channels", "kernel_size", "stride", "padding", "output_padding", "dilation", "groups"],
        ),
        ("center_crop", &["size"]),
        ("pad", &["padding", "mode"]),
        ("lrn", &["size", "k", "divide_by_size"]),
        ("locally_connected2d", &["out_channels", "kernel_size", "stride", "padding", "bias"]),
        ("masked_linear", &["out_features", "density", "bias"]),
        ("sparse_linear", &["out_features", "nonzeros", "bias"]),
        ("conv1d", &["out_channels", "kernel_size", "stride", "padding", "dilation", "groups"]),
        ("max_pool1d", &["kernel_size", "stride", "padding", "dilation"]),
        ("avg_pool1d", &["kernel_size", "stride", "padding"]),
        ("trainable_pool2d", &["kernel_size", "stride"]),
        ("rbf", &["out_features"]),
        ("conv2d_table", &["connections", "kernel_size"]),
    ];
    const WHOLE: &[(&str, &[&str])] = &[
        ("quantize", &["output"]),
        ("dequantize", &[]),
        ("rescale", &["output"]),
        ("integer_linear", &["of", "integers"]),
        ("integer_conv2d", &["of", "integers"]),
        ("integer_conv_transpose2d", &["of", "integers"]),
        ("integer_max_pool2d", &["of"]),
        ("integer_avg_pool2d", &["of", "truncate"]),
        ("integer_clamp", &["clamp"]),
        ("integer_lookup", &["output"]),
        ("integer_add", &["output", "clamp"]),
        ("integer_concat", &["of"]),
        ("integer_softmax", &["of"]),
    ];
    let (kind, fields) = *u.choose(if whole { WHOLE } else { KINDS })?;
    let mut object = Map::from_iter([("kind".to_string(), json!(kind))]);
    for &field in fields {
        let needed = matches!(
            field,
            "out_features"
                | "function"
                | "shape"
                | "probability"
                | "out_channels"
                | "kernel_size"
                | "factor"
                | "size"
                | "output_size"
                | "connections"
                | "nonzeros"
                | "output"
                | "of"
                | "integers"
        ) || kind == "integer_clamp";
        if !needed && u.ratio(2, 3)? {
            continue;
        }
        let value = match field {
            "function" => json!(*u.choose(&["relu", "gelu", "tanh", "softplus", "exp", "elu", "nothing"])?),
            "output" => quant(u)?,
            "integers" => integers(u)?,
            "of" => float_form(u, kind)?,
            "clamp" => json!([i32::arbitrary(u)? >> 20, i32::arbitrary(u)? >> 20]),
            "truncate" | "bias" | "affine" | "per_feature" | "count_include_pad" | "divide_by_size" => {
                json!(bool::arbitrary(u)?)
            }
            "mode" => json!(*u.choose(&["nearest", "bilinear", "constant", "reflect", "replicate"])?),
            "probability" | "epsilon" | "momentum" | "density" | "k" => json!(float(u)?),
            "order" => json!(*u.choose(&["channels_first", "channels_last", "row_major"])?),
            "weight_init" => json!(*u.choose(&["zeros", "orthogonal", "he_normal", "digits"])?),
            "shape" => json!(shape(u)?.axes()),
            "connections" => json!(
                (0..u.int_in_range(0..=3)?)
                    .map(|_| (0..u.int_in_range(0..=3)?).map(|_| size(u)).collect::<Result<Vec<usize>>>())
                    .collect::<Result<Vec<_>>>()?
            ),
            _ if u.ratio(1, 5)? => json!([size(u)?, size(u)?]),
            _ if field == "padding" && u.ratio(1, 3)? => json!("same"),
            _ => json!(size(u)?),
        };
        object.insert(field.to_string(), value);
    }
    Ok(serde_json::from_value(Value::Object(object)).ok())
}

fn network(u: &mut Unstructured) -> Result<Network> {
    let mut layers = Vec::new();
    let whole = u.ratio(1, 3)?;
    let (count, ends) = (u.int_in_range(0..=5)?, whole && u.ratio(4, 5)?);
    for at in 0..count {
        let layer = match at {
            0 if ends => serde_json::from_value(json!({ "kind": "quantize", "output": quant(u)? })).ok(),
            _ if ends && at + 1 == count => Some(plexus::layers::Dequantize::new().into()),
            _ => {
                let whole = if u.ratio(1, 10)? { !whole } else { whole };
                layer(u, whole)?
            }
        };
        let Some(layer) = layer else { continue };
        let name = if u.ratio(1, 20)? { String::arbitrary(u)? } else { format!("layers.{at}") };
        let mut inputs = Vec::new();
        if u.ratio(1, 6)? {
            for _ in 0..u.int_in_range(1..=2)? {
                inputs.push(u.choose(&["input", "layers.0", "layers.1", "layers.3"])?.to_string());
            }
        }
        layers.push(NamedLayer { name, inputs, layer });
    }
    let mut network = Network::new(shape(u)?, layers);
    if u.ratio(1, 8)? {
        network.outputs = vec![u.choose(&["input", "layers.0", "layers.1", "layers.2"])?.to_string()];
    }
    Ok(network)
}

fn task(u: &mut Unstructured, outputs: usize) -> Result<Task> {
    let count = if u.ratio(1, 10)? { size(u)? } else { outputs };
    let names = names(u, count)?;
    Ok(match u.int_in_range(0..=3)? {
        0 => Task::Classification { classes: names },
        1 => Task::MultiLabel { classes: names },
        2 => Task::Regression { outputs: names },
        _ => Task::Quantiles { target: "t".to_string(), quantiles: floats(u, 3)?, outputs: names },
    })
}

fn context(u: &mut Unstructured) -> Result<Context> {
    static POOL: OnceLock<Pool> = OnceLock::new();
    let pool = if u.ratio(1, 4)? { POOL.get_or_init(|| Pool::new(3)).clone() } else { Pool::single() };
    Ok(Context::new(if u.ratio(1, 4)? { Isa::Portable } else { Isa::best() }, pool))
}

/// Small enough to be made in a moment.
const MOST: usize = 20_000;

/// Opens what can be opened, and asks it whatever comes.
fn predicting(u: &mut Unstructured) -> Result<()> {
    let Ok(checked) = network(u)?.check() else { return Ok(()) };
    let checked = Arc::new(checked);
    let layout = checked.layout();
    let sizes: Vec<usize> = checked.values().map(|value| checked.len(value)).collect();
    if layout.weights_len() + layout.state_len() > MOST || sizes.iter().any(|size| *size > MOST) {
        return Ok(());
    }
    let mut params = Params::initialize(&checked, u.arbitrary()?);
    if u.ratio(1, 2)? {
        // Whole numbers are weights of layers of both sorts; now and then another one.
        for weight in params.weights.iter_mut().take(64) {
            *weight = if u.ratio(1, 40)? { float(u)? } else { f32::from(i8::arbitrary(u)?) };
        }
    }
    let Ok(model) = Model::new(checked.clone(), &params, task(u, checked.output_len())?, context(u)?) else {
        return Ok(());
    };
    let mut workspace = Workspace::default();
    if u.ratio(1, 4)? {
        workspace = workspace.allow_not_finite();
    }
    for _ in 0..3 {
        let rows = if u.ratio(1, 10)? { size(u)? } else { u.int_in_range(0..=5)? };
        let len = if u.ratio(1, 6)? { size(u)? } else { rows.saturating_mul(checked.input_len()) };
        let mut input = floats(u, len)?;
        if u.ratio(3, 4)? {
            input.iter_mut().filter(|value| !value.is_finite()).for_each(|value| *value = 0.25);
        }
        let answers = model.predict(&input, rows, &mut workspace).map(<[f32]>::to_vec);
        if let Ok(answers) = &answers {
            assert_eq!(answers.len(), rows * checked.output_len());
        }
        let _ = model.scores(&input, rows, &mut workspace);
        let _ = model.classify_top(&input, rows, size(u)?, &mut workspace);
        let _ = model.predict_all(&[&input, &input], rows, &mut workspace).map(|answers| answers.iter().count());
        if let Ok(all) = model.predict_all(&[&input], rows, &mut workspace) {
            let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(all.at(0)), bits(&answers.expect("the same call")));
        }
    }
    assert!(format!("{model:?}").len() < 1000);
    let bytes = model.to_bytes();
    if let Ok(bytes) = bytes {
        Model::from_bytes(&bytes, Context::single()).expect("what was written is read");
    }
    Ok(())
}

fn samples(u: &mut Unstructured, len: usize) -> Result<Samples> {
    Ok(if u.ratio(1, 3)? { Samples::U8(u.bytes(len.min(u.len()))?.to_vec()) } else { floats(u, len)?.into() })
}

fn dataset(u: &mut Unstructured) -> Result<Option<Dataset>> {
    let rows = if u.ratio(1, 10)? { size(u)? } else { u.int_in_range(0..=12)? };
    let one = |u: &mut Unstructured| -> Result<InputRows> {
        let shape = if u.ratio(1, 2)? { Shape::new([u.int_in_range(1..=4)?]) } else { shape(u)? };
        let len = rows.saturating_mul(shape.len().unwrap_or(0)).saturating_add(usize::from(u.ratio(1, 20)?));
        Ok(InputRows { samples: samples(u, len)?, shape })
    };
    let mut inputs = vec![one(u)?];
    if u.ratio(1, 10)? {
        inputs.push(one(u)?);
    }
    let mut targets = Vec::new();
    for _ in 0..if u.ratio(1, 10)? { u.int_in_range(0..=2)? } else { 1 } {
        let count = u.int_in_range(0..=4)?;
        let names = names(u, count)?;
        targets.push(match u.int_in_range(0..=3)? {
            0 => Targets::values(names, floats(u, rows.saturating_mul(count))?),
            1 => Targets::Values { names, shape: shape(u)?, values: floats(u, rows.saturating_mul(count))? },
            2 => {
                let indices = (0..rows.min(64)).map(|_| u.int_in_range(0..=5)).collect::<Result<_>>()?;
                Targets::Classes { names, axis: size(u)?, positions: shape(u)?, indices }
            }
            _ => {
                let largest = (count as u32).saturating_sub(u32::from(!u.ratio(1, 20)?));
                let indices = (0..rows.min(64)).map(|_| u.int_in_range(0..=largest)).collect::<Result<_>>()?;
                Targets::classes(names, indices)
            }
        });
    }
    Ok(Dataset::new("made", inputs, targets).ok())
}

fn loss(u: &mut Unstructured) -> Result<Loss> {
    Ok(match u.int_in_range(0..=6)? {
        0 => Loss::CrossEntropy {
            label_smoothing: float(u)?,
            class_weights: if u.ratio(1, 2)? { Some(floats(u, 3)?) } else { None },
        },
        1 => Loss::mean_squared_error(),
        2 => Loss::mean_absolute_error(),
        3 => Loss::huber(float(u)?),
        4 => Loss::quantile(floats(u, 2)?),
        5 => Loss::binary_cross_entropy(),
        _ => Loss::cross_entropy(),
    })
}

fn settings(u: &mut Unstructured) -> Result<Settings> {
    let usual: Loss = loss(u)?;
    let mut settings =
        Settings::new(Objective { weight: if u.ratio(1, 8)? { double(u)? } else { 1.0 }, ..usual.into() });
    let optimizer: Optimizer = match u.int_in_range(0..=4)? {
        0 => Sgd { momentum: double(u)?, nesterov: u.arbitrary()?, ..Sgd::default() }.into(),
        1 => Adam { beta1: double(u)?, beta2: double(u)?, epsilon: double(u)?, ..Adam::default() }.into(),
        2 => RmsProp { alpha: double(u)?, momentum: double(u)?, ..RmsProp::default() }.into(),
        3 => Adam::decoupled(double(u)?).into(),
        _ => Sgd::default().into(),
    };
    let schedule = match u.int_in_range(0..=4)? {
        0 => Schedule::Step { every: u.int_in_range(0..=3)?, factor: double(u)? },
        1 => Schedule::ReduceOnPlateau { factor: double(u)?, patience: u.int_in_range(0..=2)? },
        2 => Schedule::OneCycle,
        3 => Schedule::Constant,
        _ => Schedule::Cosine,
    };
    settings = settings.optimizer(optimizer).schedule(schedule).seed(u.arbitrary()?).epochs(u.int_in_range(0..=2)?);
    settings = settings.batch(if u.ratio(1, 20)? { size(u)? } else { u.int_in_range(1..=9)? });
    settings = settings.accumulate(u.int_in_range(0..=3)?).warmup_steps(u.int_in_range(0..=3)?);
    settings = settings.smoothing(u.int_in_range(0..=2)?).standardize(u.arbitrary()?);
    settings = settings.validation(if u.ratio(1, 4)? { double(u)? } else { 0.0 });
    settings = settings.target_scale(*u.choose(&[ScaleKind::None, ScaleKind::Standard, ScaleKind::Log])?);
    if u.ratio(1, 4)? {
        settings = settings.learning_rate(double(u)?).clip_norm(double(u)?).patience(u.int_in_range(0..=2)?);
    }
    if u.ratio(1, 10)? {
        settings = settings.augment(u.choose(&["shift=1", "rotate=10", "scale=0.2", "flip"])?.parse::<Augment>().ok());
    }
    Ok(settings.context(context(u)?))
}

/// Trains on anything.
fn training(u: &mut Unstructured) -> Result<()> {
    let Some(data) = dataset(u)? else { return Ok(()) };
    let outputs = data.targets()[0].names().len();
    let network = if u.ratio(1, 2)? {
        network(u)?
    } else {
        Network::chain(data.input().clone(), [plexus::layers::flatten(), plexus::layers::linear(outputs)])
    };
    let settings = settings(u)?;
    let stop_at = u.int_in_range(0..=9)?;
    let mut events = 0;
    let fitted = plexus::fit(network, &data, settings, |event| {
        events += usize::from(matches!(event, Event::Step { .. }));
        if events == stop_at + 1 { Flow::Stop } else { Flow::Continue }
    });
    if let Ok(fitted) = fitted {
        let _ = fitted.model.evaluate(&data);
        let bytes = fitted.model.to_bytes().expect("it is written");
        Model::from_bytes(&bytes, Context::single()).expect("what was written is read");
    }
    if !data.is_empty() {
        let rows: Vec<usize> = (0..3).map(|_| u.int_in_range(0..=data.len() - 1)).collect::<Result<_>>()?;
        let _ = data.select(&rows).row_hashes();
        let _ = data.class_balance();
    }
    Ok(())
}

/// Opens damaged bytes.
fn opening(u: &mut Unstructured) -> Result<()> {
    static FILE: OnceLock<Vec<u8>> = OnceLock::new();
    let mut bytes = FILE
        .get_or_init(|| {
            let layers = [plexus::layers::linear(3), plexus::layers::relu(), plexus::layers::linear(2)];
            let network = Network::chain([4], layers).check().expect("it fits");
            let task = Task::Classification { classes: vec!["a".to_string(), "b".to_string()] };
            let params = Params::initialize(&network, 1);
            let model = Model::new(network, &params, task, Context::single()).expect("it fits");
            let note = BTreeMap::from([("note".to_string(), "x".to_string())]);
            model.with_metadata(note).to_bytes().expect("it is written")
        })
        .clone();
    for _ in 0..u.int_in_range(0..=6)? {
        let at = u.int_in_range(0..=bytes.len().max(1) - 1)?;
        match u.int_in_range(0..=4)? {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, u.arbitrary()?),
            2 if at < bytes.len() => bytes[at] = *u.choose(b"0123456789{}[]\",:")?,
            3 if at < bytes.len() => bytes[at] ^= 1 << u.int_in_range(0..=7)?,
            _ if at < bytes.len() => drop(bytes.remove(at)),
            _ => {}
        }
    }
    let options = PlanOptions::default();
    let _ = options;
    if let Ok(model) = Model::from_bytes(&bytes, context(u)?) {
        let input = vec![0.5; model.network().input_len().min(MOST)];
        let _ = model.predict(&input, 1, &mut Workspace::default());
        let _ = model.to_bytes();
    }
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(400)]).into_owned();
    let _ = NetworkSpec::from_text(&text, "text");
    let _ = NetworkSpec::parse(&text).map(|spec| spec.build(Shape::new([4]), &[("out".to_string(), 2)]));
    Ok(())
}

/// Calls a graph in any order, with handles of another one.
fn graphs(u: &mut Unstructured) -> Result<()> {
    let (mut g, mut other) = (Graph::new(), Graph::new());
    let mut nodes: Vec<Node> = vec![g.input("x", shape(u)?)];
    nodes.push(if u.ratio(1, 10)? { other.input("x", [4]) } else { nodes[0] });
    for _ in 0..u.int_in_range(0..=6)? {
        let (a, b) = (*u.choose(&nodes)?, *u.choose(&nodes)?);
        nodes.push(match u.int_in_range(0..=5)? {
            0 => g.linear(a, size(u)?),
            1 => g.add(&[a, b]),
            2 => g.concat(&[a, b]),
            3 => g.relu(a),
            4 => g.input(&String::arbitrary(u)?, shape(u)?),
            _ => match layer(u, false)? {
                Some(layer) => g.layer(layer, &[a]),
                None => a,
            },
        });
        if u.ratio(1, 5)? {
            g.name(b, &String::arbitrary(u)?);
        }
    }
    let (name, node) = (String::arbitrary(u)?, *u.choose(&nodes)?);
    if let Ok(network) = g.outputs(&[(&name, node)]) {
        let _ = network.check();
    }
    Ok(())
}

/// Asks a model of a table about texts.
fn tables(u: &mut Unstructured) -> Result<()> {
    static MODEL: OnceLock<Model> = OnceLock::new();
    let model = MODEL.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let rows: String = (0..60)
            .map(|at| format!("{},{},2020-01-{:02},{}\n", 50 + at, ["elm", "oak"][at % 2], 1 + at % 28, at))
            .collect();
        let file = folder.path().join("houses.csv");
        std::fs::write(&file, format!("area,street,sold,price\n{rows}")).expect("it is written");
        let opened = plexus::train::data::open(&file.display().to_string(), &DataOptions::default()).expect("it opens");
        let schema: Option<Schema> = opened.schema().cloned();
        let network = Network::chain([schema.as_ref().expect("a table").features()], [plexus::layers::linear(1)]);
        let settings = Settings::new(Loss::mean_squared_error()).epochs(1);
        plexus::fit(network, opened.train, settings, |_| {}).expect("it learns").model.with_columns(schema)
    });
    let (mut columns, mut fields) = (Vec::new(), Vec::new());
    for column in ["area", "street", "sold", "price", "more"] {
        if u.ratio(1, 10)? {
            continue;
        }
        columns.push(if u.ratio(1, 20)? { String::arbitrary(u)? } else { column.to_string() });
        fields.push(match u.int_in_range(0..=3)? {
            0 => String::arbitrary(u)?,
            1 => float(u)?.to_string(),
            2 => u.choose(&["elm", "", "NA", "2020-02-30", "1e999", "$1,200", "\u{202e}"])?.to_string(),
            _ => u32::arbitrary(u)?.to_string(),
        });
    }
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    let _ = model.predict_named(&columns, &[&fields], &mut Workspace::default()).map(|answers| answers.at(0)[0]);
    Ok(())
}

fn execute(number: u64) {
    let mut bytes = vec![0f32; 96];
    Random::new(number, Stream::Init, [99, 0]).uniform(0.0, 1.0, &mut bytes);
    // Of each number the bits that are random.
    let bytes: Vec<u8> =
        bytes.iter().flat_map(|value| ((value * (1 << 24) as f32) as u32).to_le_bytes()[..3].to_vec()).collect();
    let bytes = bytes.repeat(4);
    let mut u = Unstructured::new(&bytes);
    // Running out of bytes ends an execution early.
    let _ = match number % 6 {
        0 | 1 => predicting(&mut u),
        2 => training(&mut u),
        3 => opening(&mut u),
        4 => graphs(&mut u),
        _ => tables(&mut u),
    };
}

fn variable(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{name} is \"{text}\", no number")))
}

#[test]
fn no_call_panics_whatever_it_is_given() {
    let (first, count) = (variable("PLEXUS_FUZZ_FROM", 0), variable("PLEXUS_FUZZ", 60_000));
    for number in first..first + count {
        if catch_unwind(AssertUnwindSafe(|| execute(number))).is_err() {
            panic!("execution {number} panicked: PLEXUS_FUZZ_FROM={number} PLEXUS_FUZZ=1 runs it alone");
        }
    }
    println!("{count} executions, none panicked");
}
