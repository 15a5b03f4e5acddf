//! The comparisons, one row each, with the ratio that we want to reach.

/// What runs one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// `plexus bench`
    Plexus,
    /// `peers.py`
    Peers,
    /// `bench/peers/train_adam.py`
    Adam,
}

/// One side of a comparison.
#[derive(Clone, Debug)]
pub struct Side {
    /// As it is shown.
    pub name: &'static str,
    /// What runs it.
    pub program: Program,
    /// Its arguments, without threads and seconds.
    pub arguments: String,
}

/// One comparison.
#[derive(Clone, Debug)]
pub struct Row {
    /// What `--only` looks at.
    pub name: String,
    /// Our side.
    pub ours: Side,
    /// The other sides; the fastest counts.
    pub theirs: Vec<Side>,
    /// The least ratio, time of the best other side by ours.
    pub bar: f64,
    /// Whether it is an epoch, whose length follows from `--samples` and not from `--seconds`.
    pub trains: bool,
}

fn plexus(name: &'static str, arguments: String) -> Side {
    Side { name, program: Program::Plexus, arguments }
}

fn peer(engine: &'static str, arguments: &str) -> Side {
    Side { name: engine, program: Program::Peers, arguments: format!("{engine} {arguments}") }
}

type Size = (usize, usize, usize);

fn size((batch, inputs, outputs): Size) -> String {
    format!("--batch {batch} --inputs {inputs} --outputs {outputs}")
}

/// `relu(W x + b)` in one of our precisions against an engine in one of its own each.
fn linear(precision: &str, at: Size, theirs: &[(&'static str, &str)], bar: f64) -> Row {
    let arguments = |precision: &str| format!("linear {} --precision {precision}", size(at));
    Row {
        name: format!("linear-{}x{}x{}-{precision}", at.0, at.1, at.2),
        ours: plexus("plexus", arguments(precision)),
        theirs: theirs.iter().map(|(engine, theirs)| peer(engine, &arguments(theirs))).collect(),
        bar,
        trains: false,
    }
}

/// One of our precisions against another one of ours.
fn among_us(precision: &str, at: Size, other: &str, name: &'static str, bar: f64) -> Row {
    let arguments = |precision: &str| format!("linear {} --precision {precision}", size(at));
    Row { theirs: vec![plexus(name, arguments(other))], ..linear(precision, at, &[], bar) }
}

/// Every comparison.
pub fn rows() -> Vec<Row> {
    const F32: &[(&str, &str)] = &[("torch", "f32"), ("ort", "f32")];
    const BF16: &[(&str, &str)] = &[("torch", "bf16")];
    const INT8: &[(&str, &str)] = &[("ort", "int8")];
    let mut rows = Vec::new();
    for (at, bar) in [
        ((1, 784, 128), 2.0),
        ((1, 1024, 1024), 1.1),
        ((1, 4096, 4096), 1.0),
        ((8, 4096, 4096), 1.4),
        ((32, 4096, 4096), 1.8),
        ((128, 784, 512), 1.2),
        ((128, 4096, 4096), 1.1),
        ((1024, 1024, 1024), 1.0),
    ] {
        rows.push(linear("highest", at, F32, bar));
    }
    let large = [(32, 4096, 4096), (128, 4096, 4096), (256, 1024, 1024), (1024, 1024, 1024)];
    rows.extend(large.map(|at| linear("high", at, F32, 1.8)));
    rows.extend(large.map(|at| linear("medium", at, BF16, 1.2)));
    rows.extend([(1, 1024, 1024), (1, 4096, 4096)].map(|at| linear("medium", at, BF16, 1.0)));
    rows.push(linear("int8", (1, 4096, 4096), INT8, 1.3));
    let large = [(8, 4096, 4096), (32, 4096, 4096), (128, 4096, 4096), (1024, 1024, 1024)];
    rows.extend(large.map(|at| linear("int8", at, INT8, 1.2)));
    let one = (1, 4096, 4096);
    // At most 2.2 times as long.
    rows.push(among_us("int16", one, "int8", "our int8", 1.0 / 2.2));
    rows.push(among_us("weight-int8", one, "highest", "our f32", 2.5));
    rows.push(among_us("weight-int4", one, "highest", "our f32", 4.0));
    rows.push(among_us("weight-int4-g128", one, "highest", "our f32", 4.0));
    for (at, bar) in [((64, 784, 128), 1.2), ((128, 1024, 1024), 1.1), ((256, 4096, 4096), 1.1)] {
        let arguments = format!("linear-backward {}", size(at));
        rows.push(Row {
            name: format!("linear-backward-{}x{}x{}", at.0, at.1, at.2),
            theirs: vec![peer("torch", &arguments)],
            ours: plexus("plexus", arguments),
            bar,
            trains: false,
        });
    }
    let train = "train-mlp --batch 128";
    rows.push(Row {
        name: "train-mlp-sgd".to_string(),
        ours: plexus("plexus", train.to_string()),
        theirs: vec![peer("torch", train)],
        bar: 1.5,
        trains: true,
    });
    rows.push(Row {
        name: "train-mlp-adam".to_string(),
        ours: plexus("plexus", format!("{train} --optimizer adam")),
        theirs: vec![Side { name: "torch", program: Program::Adam, arguments: "--batch 128".to_string() }],
        bar: 2.0,
        trains: true,
    });
    let infer = "mlp --batch 1";
    rows.push(Row {
        name: "mlp-1".to_string(),
        ours: plexus("plexus", infer.to_string()),
        theirs: vec![peer("torch", infer), peer("ort", infer)],
        bar: 2.0,
        trains: false,
    });
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_and_every_row_has_another_side() {
        let rows = rows();
        let mut names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), rows.len());
        assert!(rows.iter().all(|row| !row.theirs.is_empty() && row.bar > 0.0 && row.ours.program == Program::Plexus));
    }
}
