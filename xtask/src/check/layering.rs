//! The one line of dependency between the crates, read from their manifests.

use crate::error::TaskError;
use crate::outcome::Outcome;
use crate::workspace;
use std::path::Path;

/// One crate and the crates of ours that it may use.
struct Rule {
    name: &'static str,
    /// Siblings have the same level.
    level: usize,
    /// What the product may use; tests may use anything up to their own level.
    uses: &'static [&'static str],
}

/// `micro <- kernels <- nn <- { train, quant, formats, mesh } <- plexus <- { cli, python }`, as in ARCHITECTURE.md.
const RULES: &[Rule] = &[
    Rule { name: "plexus-micro", level: 0, uses: &[] },
    Rule { name: "plexus-kernels", level: 1, uses: &["plexus-micro"] },
    Rule { name: "plexus-nn", level: 2, uses: &["plexus-micro", "plexus-kernels"] },
    Rule { name: "plexus-train", level: 3, uses: &["plexus-kernels", "plexus-nn"] },
    Rule { name: "plexus-quant", level: 3, uses: &["plexus-micro", "plexus-kernels", "plexus-nn"] },
    Rule { name: "plexus-formats", level: 3, uses: &["plexus-nn"] },
    Rule { name: "plexus-mesh", level: 3, uses: &["plexus-kernels", "plexus-nn"] },
    Rule { name: "plexus", level: 4, uses: BELOW_THE_FACE },
    Rule { name: "plexus-cli", level: 5, uses: BELOW_THE_DOORS },
    Rule { name: "plexus-python", level: 5, uses: BELOW_THE_DOORS },
    // A tool beside the product: it calls programs and knows no crate.
    Rule { name: "xtask", level: 0, uses: &[] },
];

const BELOW_THE_FACE: &[&str] =
    &["plexus-kernels", "plexus-nn", "plexus-train", "plexus-quant", "plexus-formats", "plexus-mesh"];
const BELOW_THE_DOORS: &[&str] = &[
    "plexus-micro",
    "plexus-kernels",
    "plexus-nn",
    "plexus-train",
    "plexus-quant",
    "plexus-formats",
    "plexus-mesh",
    "plexus",
];

/// Compares every manifest with the rules.
pub fn check() -> Result<Outcome, TaskError> {
    let mut problems = Vec::new();
    let mut folders = workspace::crates()?;
    folders.push("xtask".into());
    for folder in &folders {
        let path = folder.join("Cargo.toml");
        let manifest: toml::Table = toml::from_str(&workspace::read(&path)?)
            .map_err(|error| TaskError::content(&path, "a manifest", error.to_string()))?;
        problems.extend(compare(&path, &manifest));
    }
    Ok(Outcome::from_problems(problems, format!("{} crates depend downwards only", folders.len())))
}

fn compare(path: &Path, manifest: &toml::Table) -> Vec<String> {
    let place = workspace::slashed(path);
    let name = manifest.get("package").and_then(|package| package.get("name")).and_then(|name| name.as_str());
    let Some(rule) = RULES.iter().find(|rule| Some(rule.name) == name) else {
        let name = name.unwrap_or("a crate without a name");
        return vec![format!("{place}: {name} has no place in the line of crates; add a row in {}", file!())];
    };
    let mut problems = Vec::new();
    for (table, dependency) in dependencies(manifest) {
        let Some(used) = RULES.iter().find(|rule| rule.name == dependency) else { continue };
        let allowed = match table.as_str() {
            "dev-dependencies" => used.level <= rule.level,
            _ => rule.uses.contains(&used.name),
        };
        if !allowed {
            problems.push(format!(
                "{place}: [{table}] has {dependency}, but {} may use {}",
                rule.name,
                if rule.uses.is_empty() { "no crate of ours".to_string() } else { rule.uses.join(", ") }
            ));
        }
    }
    problems
}

/// The dependencies of all tables, those for one system too; a renamed one counts under the name of its package.
fn dependencies(manifest: &toml::Table) -> Vec<(String, String)> {
    let systems = manifest.get("target").and_then(|target| target.as_table()).into_iter().flatten();
    let systems = systems.filter_map(|(_, system)| system.as_table());
    let mut found = Vec::new();
    for tables in std::iter::once(manifest).chain(systems) {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for (name, value) in tables.get(kind).and_then(|table| table.as_table()).into_iter().flatten() {
                let package = value.get("package").and_then(|package| package.as_str()).unwrap_or(name);
                found.push((kind.to_string(), package.to_string()));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(manifest: &str) -> usize {
        compare(Path::new("Cargo.toml"), &toml::from_str(manifest).expect("a manifest")).len()
    }

    #[test]
    fn siblings_meet_only_in_tests() {
        let with = |table: &str, used: &str| {
            problems(&format!("package.name = \"plexus-train\"\n[{table}]\n{used}.workspace = true\n"))
        };
        assert_eq!(with("dependencies", "plexus-nn"), 0);
        assert_eq!(with("dependencies", "plexus-formats"), 1);
        assert_eq!(with("target.'cfg(unix)'.dependencies", "plexus-formats"), 1);
        assert_eq!(with("build-dependencies", "plexus-formats"), 1);
        assert_eq!(with("dev-dependencies", "plexus-formats"), 0);
        assert_eq!(with("dev-dependencies", "plexus"), 1);
    }

    #[test]
    fn renaming_hides_nothing_and_unknown_crates_are_named() {
        let renamed =
            "package.name = \"plexus-nn\"\n[dependencies]\nx = { package = \"plexus-train\", path = \"x\" }\n";
        assert_eq!(problems(renamed), 1);
        assert_eq!(problems("package.name = \"plexus-new\"\n"), 1);
    }
}
