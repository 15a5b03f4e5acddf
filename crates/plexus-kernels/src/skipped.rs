//! What the tests of this crate leave out on this machine: said, and listed by one test.

use crate::isa::Isa;
use std::io::Write;

/// Tests of one instruction set that have nothing to compare where it is missing.
const TESTS: &[(Isa, &str)] = &[
    (Isa::Amx, "isa::amx::tests::products_are_the_plain_ones_for_every_number_of_rows"),
    (Isa::Amx, "isa::amx::tests::a_thread_has_one_unit_and_gives_it_back"),
];

/// Says that something was left out, also where the output of tests that pass is kept back.
pub(crate) fn say(what: &str, why: &str) {
    // Not `eprintln!`, which the test harness keeps; one that cannot be written is no failure of a test.
    let _ = writeln!(std::io::stderr(), "skipped: {what}: {why}");
}

/// Whether a test of the list can run here; says so where not.
pub(crate) fn unless_available(test: &str) -> bool {
    let row = TESTS.iter().find(|(_, name)| name.ends_with(&format!("::{test}")));
    let (isa, name) = row.unwrap_or_else(|| panic!("{test} is not in the list"));
    if !isa.is_available() {
        say(name, &format!("this machine has no {}", isa.name()));
    }
    isa.is_available()
}

/// Every row of every table of kernels, and what it needs.
fn rows() -> Vec<(Isa, &'static str)> {
    let mut rows = Vec::new();
    macro_rules! families {
        ($($family:ident),*) => {$(
            rows.extend(crate::$family::KERNELS.iter().map(|kernel| (kernel.isa, kernel.name)));
        )*};
    }
    families!(gemm, gemm_bf16, gemm_i8, gemm_i16);
    rows
}

#[test]
fn what_this_machine_cannot_test_is_listed() {
    let rows = rows();
    for isa in Isa::ALL.into_iter().filter(|isa| !isa.is_available()) {
        let needing = rows.iter().chain(TESTS).filter(|(needed, _)| *needed == isa);
        let names: Vec<&str> = needing.map(|(_, name)| *name).collect();
        let names = if names.is_empty() { "the verbs of it".to_string() } else { names.join(", ") };
        say(&names, &format!("this machine has no {}", isa.name()));
    }
    // The plainest row of each family runs everywhere: no family goes without a comparison.
    assert_eq!(rows.iter().filter(|(isa, _)| *isa == Isa::Portable).count(), 4);
}
