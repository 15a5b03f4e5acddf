//! Every layer kind agrees with PyTorch: runs all cases of `testdata/layers`, on the selected instruction set. Those of whole numbers
//! agree with plain Python, to the last bit, on every instruction set.
//!
//! The format is written at the head of each file. A case in training mode goes through `Training`, one in inference
//! mode through `Plan`; where the mode makes no difference, a training case goes through `Plan` as well.

mod oracle;

use oracle::{Tally, check, file, folder, integer, layer};
use plexus_kernels::Context;
use plexus_kernels::isa::Isa;
use plexus_kernels::map::Function;
use plexus_kernels::threads::Pool;
use plexus_nn::layers::{Activation, Dense, KINDS, Layer, Normalizer};
use plexus_nn::testing::{Engine, Library};
use plexus_nn::{CheckedBatch, CheckedNetwork, Params, Plan, Workspace};
use std::collections::BTreeSet;
use std::sync::Arc;

#[test]
fn every_layer_kind_agrees_with_pytorch() {
    let entries = std::fs::read_dir(folder()).expect("testdata/layers").map(|entry| entry.expect("a file"));
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| !integer::KINDS.iter().any(|kind| *name == format!("{kind}.toml")));
    names.sort();
    let (mut cases, mut values, mut failures) = (0, 0, Vec::new());
    for name in names {
        let tally = check(&Library, &file(&name));
        let Tally { cases: file_cases, values: file_values, worst: (share, place), .. } = &tally;
        println!("{name}: {file_cases} cases, {file_values} values, worst {share:.3} of the tolerance at {place}");
        cases += file_cases;
        values += file_values;
        failures.extend(tally.failures.into_iter().map(|failure| format!("{name}: {failure}")));
    }
    println!("{}: {cases} cases, {values} values compared, {} differ", Isa::selected().name(), failures.len());
    assert!(failures.is_empty(), "{} values differ:\n{}", failures.len(), failures.join("\n"));
}

/// Plans on one instruction set and a number of threads; outputs may be moved on their way.
struct On {
    isa: Isa,
    threads: usize,
    moved: f32,
}

impl Engine for On {
    fn predict(&self, network: &Arc<CheckedNetwork>, params: &Params, batch: CheckedBatch<'_>) -> Vec<f32> {
        let plan = Plan::new(network.clone(), params, Context::new(self.isa, Pool::new(self.threads)));
        let mut workspace = Workspace::default();
        let mut output = plan.run(batch, &mut workspace).to_vec();
        output[0] += self.moved;
        output
    }

    fn train(
        &self,
        _network: &Arc<CheckedNetwork>,
        _params: &mut Params,
        _batch: CheckedBatch<'_>,
        _grad_output: &[f32],
        _grad_weights: &mut [f32],
        _times: usize,
    ) -> (Vec<f32>, Vec<f32>) {
        unreachable!("layers of whole numbers are not trained")
    }
}

#[test]
fn layers_of_whole_numbers_agree_with_python_on_every_instruction_set() {
    for kind in integer::KINDS {
        let file = integer::file(kind);
        for (isa, threads) in Isa::available().flat_map(|isa| [(isa, 1), (isa, 3)]) {
            let Tally { cases, values, failures, .. } = integer::check(&On { isa, threads, moved: 0.0 }, &file);
            let place = format!("{kind} on {}, {threads} threads", isa.name());
            println!("{place}: {cases} cases, {values} numbers");
            assert!(failures.is_empty(), "{place}: {} numbers differ:\n{}", failures.len(), failures.join("\n"));
        }
        let moved = integer::check(&On { isa: Isa::Portable, threads: 1, moved: 1e-3 }, &file);
        assert!(moved.failures.len() * 2 > moved.cases, "{kind}: one number that is a little off is seen");
    }
}

#[test]
fn every_layer_kind_has_a_case_file_of_its_own() {
    for kind in integer::KINDS {
        let file = integer::file(kind);
        assert!(!file.case.is_empty() && KINDS.contains(kind), "{kind} has no case");
        assert!(file.case.iter().all(|case| case.layer["kind"].as_str() == Some(*kind)), "{kind}");
    }
    for kind in KINDS.iter().chain(&["dense"]).filter(|kind| !integer::KINDS.contains(kind)) {
        let file = file(&format!("{kind}.toml"));
        assert!(!file.case.is_empty(), "{kind} has no case");
        let kinds: BTreeSet<Option<&str>> = file.case.iter().map(|case| case.layer["kind"].as_str()).collect();
        assert_eq!(kinds, BTreeSet::from([Some(*kind)]));
    }
}

#[test]
fn the_short_form_has_the_constants_of_the_cases() {
    let file = file("dense.toml");
    let golden = file.case.iter().find(|case| case.name == "golden-s04").expect("golden-s04");
    let dense = Dense::new(2).with_normalizer(Normalizer::BatchNorm);
    let expanded: Vec<Layer> = dense.layers().into_iter().map(|(_, layer)| layer).collect();
    assert_eq!(expanded[1], layer(golden.layer["normalizer"].as_table().expect("a table").clone()));
    assert_eq!(expanded[2], Activation::new(Function::Relu).into());
    let norm = file.case.iter().find(|case| case.name == "layer-norm-relu").expect("layer-norm-relu");
    let dense = Dense::new(7).with_normalizer(Normalizer::LayerNorm);
    assert_eq!(dense.layers()[1].1, layer(norm.layer["normalizer"].as_table().expect("a table").clone()));
}
