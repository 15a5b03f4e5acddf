//! Every layer kind agrees with PyTorch: runs all cases of `testdata/layers`, on the selected instruction set.
//!
//! The format is written at the head of each file. A case in training mode goes through `Training`, one in inference
//! mode through `Plan`; where the mode makes no difference, a training case goes through `Plan` as well.

mod oracle;

use oracle::{Tally, check, file, folder, layer};
use plexus_kernels::isa::Isa;
use plexus_kernels::map::Function;
use plexus_nn::layers::{Activation, Dense, KINDS, Layer, Normaliser};
use plexus_nn::testing::Library;
use std::collections::BTreeSet;

#[test]
fn every_layer_kind_agrees_with_pytorch() {
    let entries = std::fs::read_dir(folder()).expect("testdata/layers").map(|entry| entry.expect("a file"));
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
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

#[test]
fn every_layer_kind_has_a_case_file_of_its_own() {
    for kind in KINDS.iter().chain(&["dense"]) {
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
    let dense = Dense::new(2).with_normaliser(Normaliser::BatchNorm);
    let expanded: Vec<Layer> = dense.layers().into_iter().map(|(_, layer)| layer).collect();
    assert_eq!(expanded[1], layer(golden.layer["normalizer"].as_table().expect("a table").clone()));
    assert_eq!(expanded[2], Activation::new(Function::Relu).into());
    let norm = file.case.iter().find(|case| case.name == "layer-norm-relu").expect("layer-norm-relu");
    let dense = Dense::new(7).with_normaliser(Normaliser::LayerNorm);
    assert_eq!(dense.layers()[1].1, layer(norm.layer["normalizer"].as_table().expect("a table").clone()));
}
