//! Tables that promise something: every layer kind has its cases, every kernel row its name and its tests.

use crate::error::TaskError;
use crate::outcome::Outcome;
use crate::workspace;
use std::path::Path;

/// Every layer kind has a case file from the reference implementation.
pub fn check_layer_cases() -> Result<Outcome, TaskError> {
    let table = workspace::read(Path::new("crates/plexus-nn/src/layers/mod.rs"))?;
    let lines = table.split_once("\nlayers! {").map_or("", |(_, lines)| lines.split('}').next().unwrap_or_default());
    let kinds: Vec<&str> = lines.split('"').skip(1).step_by(2).collect();
    if kinds.is_empty() {
        return Ok(Outcome::failed(
            "no `layers! {` found in crates/plexus-nn/src/layers/mod.rs: the check no longer sees the kinds",
        ));
    }
    let missing =
        kinds.iter().map(|kind| format!("testdata/layers/{kind}.toml")).filter(|path| !Path::new(path).exists());
    let problems = missing.map(|path| format!("{path}: missing; make it with a script of testdata/make")).collect();
    Ok(Outcome::from_problems(problems, format!("{} kinds have a case file", kinds.len())))
}

/// Every row of a kernel table has a name that says what it is, and its family has tests that loop over the table.
pub fn check_kernel_rows() -> Result<Outcome, TaskError> {
    let (mut rows, mut problems) = (0, Vec::new());
    for folder in workspace::entries(Path::new("crates/plexus-kernels/src"))? {
        let table = folder.join("mod.rs");
        if !table.exists() || !workspace::read(&table)?.contains("static KERNELS: &[Kernel]") {
            continue;
        }
        let tests = folder.join("tests.rs");
        if !tests.exists() || !workspace::read(&tests)?.contains("KERNELS") {
            problems.push(format!("{}: expected tests that loop over KERNELS", workspace::slashed(&tests)));
        }
        let family = workspace::name(&folder);
        let before = rows;
        for path in workspace::files(&folder)? {
            let text = workspace::read(&path)?;
            for literal in text.split("Kernel {").skip(1) {
                let literal = literal.split('}').next().unwrap_or(literal);
                let Some(name) = quoted_after(literal, "name: ").next() else { continue };
                rows += 1;
                let file = path.file_stem().unwrap_or_default().to_string_lossy();
                if let Err(problem) = row_name(name, &family, &file, number(literal, "mr: "), number(literal, "nr: ")) {
                    problems.push(format!("{}: {name}: {problem}", workspace::slashed(&path)));
                }
            }
        }
        if rows == before {
            problems.push(format!("{}: no row `Kernel {{ name: ... }}` found", workspace::slashed(&folder)));
        }
    }
    if rows == 0 && problems.is_empty() {
        problems.push("no `static KERNELS: &[Kernel]` found in crates/plexus-kernels/src".to_string());
    }
    Ok(Outcome::from_problems(problems, format!("{rows} rows are named <family>_<dtypes>_<isa>_<mr>x<nr>")))
}

/// Reads a name backwards into its parts and compares them with where it stands.
fn row_name(name: &str, family: &str, file: &str, mr: Option<usize>, nr: Option<usize>) -> Result<(), String> {
    // `gemm_i8` and its like are the family `gemm` of other data types.
    let family = family.split('_').next().unwrap_or(family);
    let form = format!("{family}_<dtypes>_<isa>_<mr>x<nr>");
    let shape = || format!("expected a name of the form {form}");
    let rest = name.strip_prefix(&format!("{family}_")).ok_or_else(shape)?;
    let (rest, tile) = rest.rsplit_once('_').ok_or_else(shape)?;
    let (dtypes, isa) = rest.split_once('_').ok_or_else(shape)?;
    let (rows, cols) = tile.split_once('x').ok_or_else(shape)?;
    let (rows, cols): (usize, usize) = (rows.parse().map_err(|_| shape())?, cols.parse().map_err(|_| shape())?);
    if !is_dtypes(dtypes) {
        return Err(format!("expected data types such as f32 or i8i8i32 behind the family, got {dtypes}"));
    }
    // AVX-VNNI is AVX2 with one more instruction, and shares its file.
    if !isa.starts_with(file) && !file.starts_with(isa) && (isa, file) != ("avxvnni", "avx2") {
        return Err(format!("expected the instruction set of its file ({file}), got {isa}"));
    }
    if mr.is_some_and(|mr| mr != rows) || nr.is_some_and(|nr| nr != cols) {
        return Err(format!("its tile is {}x{}, not {tile}", mr.unwrap_or(rows), nr.unwrap_or(cols)));
    }
    Ok(())
}

/// One or more of a letter group and a number of bits: `f32`, `bf16`, `i8i8i32`.
fn is_dtypes(text: &str) -> bool {
    let mut rest = text;
    while !rest.is_empty() {
        let Some(after) = ["bf", "f", "i", "u"].iter().find_map(|letters| rest.strip_prefix(letters)) else {
            return false;
        };
        let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if digits == 0 {
            return false;
        }
        rest = &after[digits..];
    }
    !text.is_empty()
}

/// The quoted texts that follow `before`.
fn quoted_after<'a>(text: &'a str, before: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(before).skip(1).filter_map(|rest| rest.strip_prefix('"')).filter_map(|rest| rest.split('"').next())
}

/// The number that follows `before`; `None` where a name stands there.
fn number(text: &str, before: &str) -> Option<usize> {
    let (_, rest) = text.split_once(before)?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_rows_are_decoded() {
        let ok = |name, file, mr, nr| row_name(name, "gemm", file, Some(mr), Some(nr)).is_ok();
        assert!(ok("gemm_f32_avx2_6x16", "avx2", 6, 16));
        assert!(ok("gemm_i8i8i32_avx512_vnni_8x32", "avx512_vnni", 8, 32));
        assert!(ok("gemm_bf16_amx_16x32", "amx_bf16", 16, 32));
        assert!(row_name("gemm_i8i8i32_avxvnni_6x16", "gemm_i8", "avx2", Some(6), Some(16)).is_ok());
        assert!(!ok("gemm_f32_avx2_6x16", "avx512", 6, 16));
        assert!(!ok("gemm_f32_avx2_6x16", "avx2", 4, 16));
        assert!(!ok("gemm_avx2_6x16", "avx2", 6, 16));
        assert!(!ok("conv_f32_avx2_6x16", "avx2", 6, 16));
        assert!(!ok("gemm_f32_avx2", "avx2", 6, 16));
    }

    #[test]
    fn numbers_and_quotes_are_found() {
        assert_eq!(number("mr: 12, nr: 32", "mr: "), Some(12));
        assert_eq!(number("mr: MR, nr: 32", "mr: "), None);
        assert_eq!(quoted_after("name: \"a\", name: b, name: \"c\"", "name: ").collect::<Vec<_>>(), ["a", "c"]);
    }
}
