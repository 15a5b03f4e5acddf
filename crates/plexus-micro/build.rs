//! Chooses the products of a processor with the DSP instructions of Arm v7E-M (Cortex-M4 and M7), which a stable compiler does not tell.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(plexus_dsp)");
    let target = std::env::var("TARGET").unwrap_or_default();
    if target.starts_with("thumbv7em") && std::env::var_os("CARGO_FEATURE_DSP").is_some() {
        println!("cargo::rustc-cfg=plexus_dsp");
    }
}
