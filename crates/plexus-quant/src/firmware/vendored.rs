//! The source of `plexus-micro`, which a Rust export brings along.

/// Its files.
const FILES: &[(&str, &str)] = &[
    ("build.rs", include_str!("../../../plexus-micro/build.rs")),
    ("src/conv.rs", include_str!("../../../plexus-micro/src/conv.rs")),
    ("src/conv_transpose.rs", include_str!("../../../plexus-micro/src/conv_transpose.rs")),
    ("src/dsp.rs", include_str!("../../../plexus-micro/src/dsp.rs")),
    ("src/elementwise.rs", include_str!("../../../plexus-micro/src/elementwise.rs")),
    ("src/fully_connected.rs", include_str!("../../../plexus-micro/src/fully_connected.rs")),
    ("src/interleaved.rs", include_str!("../../../plexus-micro/src/interleaved.rs")),
    ("src/learn.rs", include_str!("../../../plexus-micro/src/learn.rs")),
    ("src/lib.rs", include_str!("../../../plexus-micro/src/lib.rs")),
    ("src/pool.rs", include_str!("../../../plexus-micro/src/pool.rs")),
    ("src/round.rs", include_str!("../../../plexus-micro/src/round.rs")),
    ("src/softmax.rs", include_str!("../../../plexus-micro/src/softmax.rs")),
    ("src/sum.rs", include_str!("../../../plexus-micro/src/sum.rs")),
    ("src/window.rs", include_str!("../../../plexus-micro/src/window.rs")),
];

/// Left out: the C source is of no use in Rust.
#[cfg(test)]
const LEFT_OUT: [&str; 1] = ["src/c.rs"];

const MANIFEST: &str = "[package]
name = \"plexus-micro\"
description = \"Networks of whole numbers for microcontrollers: no heap, no float, no dependency.\"
version = \"0.1.0\"
edition = \"2024\"
license = \"MIT OR Apache-2.0\"
publish = false

[features]
default = [\"dsp\"]
# On Cortex-M4 and M7, products by their DSP instructions; the bits are the same without.
dsp = []
";

/// The crate, as files.
pub(super) fn files() -> Vec<(String, String)> {
    let mut all = vec![("Cargo.toml".to_string(), MANIFEST.to_string())];
    all.extend(FILES.iter().map(|(path, text)| (path.to_string(), text.replace("pub mod c;\n", ""))));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn no_file_is_forgotten() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plexus-micro/src");
        let found: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| format!("src/{}", entry.unwrap().file_name().to_string_lossy()))
            .chain(["build.rs".to_string()])
            .filter(|path| !LEFT_OUT.contains(&path.as_str()))
            .collect();
        let listed: BTreeSet<String> = FILES.iter().map(|(path, _)| path.to_string()).collect();
        assert_eq!(found, listed);
        assert!(files().iter().all(|(_, text)| !text.contains("mod c;")));
    }
}
