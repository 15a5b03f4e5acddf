//! The document: what was compared, with what, and every number.

use super::score::{BAR, Compared, Result, Score, Task};
use crate::bench::{commit, markdown, today};
use std::collections::BTreeMap;
use std::fmt::Write;

/// One row a table.
pub fn table(compared: &[Compared]) -> String {
    let header =
        ["table", "rows", "columns", "missing", "measure", "plexus", "scikit-learn", "difference", "seconds", ""];
    markdown(header, &compared.iter().map(Compared::cells).collect::<Vec<_>>())
}

/// `docs/tables.md`.
pub fn document(
    compared: &[Compared],
    versions: &BTreeMap<String, String>,
    packages: &[(String, String, String)],
) -> String {
    let behind = compared.iter().filter(|one| one.problem().is_some()).count();
    let reached = compared.len() - behind;
    let versions: Vec<String> = versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    let mut text = format!(
        "\
# Default settings on tables of other people

<!-- Written by `cargo xtask compare-tables --write`. Change the program, not this file. -->

What `plexus train --data csv:train.csv --target COLUMN` makes of tables as people have them, beside scikit-learn's
multilayer perceptron of the same size. {reached} of {} tables are no more than {BAR} below it.

- Written on {} by `cargo xtask compare-tables --write`, commit {};
  {}.
- Every table is split at random, 80 rows in 100 to train with and 20 to measure on, once a seed; classes keep their
  shares. Rows without a target are left out. Both sides get the same two files.
- Our side: `plexus train --data csv:train.csv --target COLUMN --test-fraction 0 --seed SEED`, then
  `plexus evaluate MODEL --data csv:test.csv`. Nothing is tuned.
- The other side: `MLPClassifier` or `MLPRegressor` with `hidden_layer_sizes=(128,)` and `random_state=SEED`, all other
  settings scikit-learn's; numbers with missing ones replaced by the mean and standardized, text one-hot, a number as
  target standardized. It sees every column too, also names and row numbers.
- Mean and standard deviation of the seeds. Seconds are those of one training, ours with starting and reading, theirs
  without and on one thread; the machine was not kept quiet, so take them as a rough idea. Columns are numbers + texts.

{}
",
        compared.len(),
        today(),
        commit(),
        versions.join(", "),
        table(compared)
    );
    text += "## Where the tables come from\n\nNone of them is in this repository. The licence is the one that the package \
             states.\n\n";
    let rows: Vec<[String; 4]> = packages
        .iter()
        .map(|(name, version, licence)| {
            let tables = compared.iter().filter(|one| &one.table.package == name);
            let tables: Vec<&str> = tables.map(|one| one.table.name.as_str()).collect();
            [name.clone(), version.clone(), licence.clone(), tables.join(", ")]
        })
        .collect();
    text += &markdown(["package", "version", "licence", "tables"], &rows);
    text += "\n## Every seed\n\nScore (epochs).\n\n";
    let rows: Vec<[String; 5]> = compared.iter().map(every_seed).collect();
    text += &markdown(["table", "target", "left out", "plexus", "scikit-learn"], &rows);
    for one in compared {
        for failure in one.failures() {
            writeln!(text, "\n{}: plexus failed: {}", one.table.name, failure.replace('\n', " "))
                .expect("a string takes all");
        }
    }
    text
}

fn every_seed(one: &Compared) -> [String; 5] {
    let shown = |score: &Score| {
        let epochs = score.epochs.map_or("?".to_string(), |epochs| epochs.to_string());
        format!("{:.3} ({epochs})", score.score)
    };
    let ours = |result: &Result| result.as_ref().map_or("failed".to_string(), shown);
    let theirs = |score: &Option<Score>| score.as_ref().map_or("?".to_string(), shown);
    let kind = match one.table.task {
        Task::Classes => "classes",
        Task::Numbers => "numbers",
    };
    [
        one.table.name.clone(),
        format!("{} ({kind})", one.table.target),
        one.table.without_target.to_string(),
        one.ours.iter().map(ours).collect::<Vec<_>>().join(", "),
        one.theirs.iter().map(theirs).collect::<Vec<_>>().join(", "),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::score::Table;
    use super::*;

    #[test]
    fn the_document_has_every_table_with_its_package_and_every_seed() {
        let table = Table {
            name: "cars".to_string(),
            package: "some".to_string(),
            target: "price".to_string(),
            task: Task::Numbers,
            rows: 100,
            test_rows: 20,
            without_target: 8,
            numbers: 3,
            texts: 1,
            missing: 6,
        };
        let score = |score: f64, epochs: u64| Score { score, seconds: 1.0, epochs: Some(epochs) };
        let compared = Compared {
            table,
            ours: vec![Ok(score(0.5, 7)), Err("no column\nof this name".to_string())],
            theirs: vec![Some(score(0.25, 200)), None],
        };
        let versions = BTreeMap::from([("scikit-learn".to_string(), "1.0".to_string())]);
        let packages = [("some".to_string(), "2.0".to_string(), "MIT".to_string())];
        let text = document(&[compared], &versions, &packages);
        for wanted in [
            "0 of 1 tables",
            "scikit-learn 1.0",
            "| some    | 2.0     | MIT     | cars   |",
            "| cars  | price (numbers) | 8        | 0.500 (7), failed | 0.250 (200), ? |",
            "seed 1: no column of this name",
        ] {
            assert!(text.contains(wanted), "{wanted} is not in\n{text}");
        }
    }
}
