//! The pages of whole numbers, docs/quantisation.md and docs/firmware.md, show what is printed.
//!
//! To renew them: PLEXUS_WRITE_DOCS=1 cargo test --workspace --test pages

mod program;

use program::page;

/// The same numbers on every machine: those of this instruction set are.
const PORTABLE: &[(&str, &str)] = &[("PLEXUS_ISA", "portable")];

#[test]
fn the_page_of_quantization_shows_what_is_printed() {
    assert!(page::check("quantisation.md", PORTABLE) > 3);
}

#[test]
fn the_page_of_firmware_goes_from_training_to_a_board() {
    assert!(page::check("firmware.md", PORTABLE) > 9);
}
