//! `plexus run-case`: recorded layers of whole numbers, run again.

mod fields;
mod layer;
mod micro_only;

use crate::Failure;
use crate::args::RunCaseArgs;
use crate::output::{print_json, say, table};
use layer::{Case, Way};
use plexus::Isa;
use plexus_kernels::Context;
use plexus_kernels::threads::Pool;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Runs the cases of a file, and holds the outputs against those that are recorded.
pub fn run(args: RunCaseArgs) -> Result<(), Failure> {
    let ways: Vec<Way> = match (&args.isa, args.portable) {
        (Some(name), _) => {
            let known = || Isa::available().map(|isa| isa.name()).collect::<Vec<_>>().join(", ");
            let isa = Isa::available().find(|isa| isa.name() == *name);
            let isa =
                isa.ok_or_else(|| Failure::Input(format!("--isa is \"{name}\", but this machine has {}", known())))?;
            vec![Way::Kernels(Context::new(isa, Pool::single()))]
        }
        (None, true) => vec![Way::Micro],
        (None, false) => {
            let all = Isa::available().map(|isa| Way::Kernels(Context::new(isa, Pool::single())));
            std::iter::once(Way::Micro).chain(all).collect()
        }
    };
    let shown = args.file.display().to_string();
    let wrong = |why: String| Failure::Input(format!("{shown}: {why}"));
    let text = std::fs::read_to_string(&args.file).map_err(|error| wrong(error.to_string()))?;
    let parsed: Value = serde_json::from_str(&text).map_err(|error| wrong(format!("not JSON: {error}")))?;
    let Some(values) = parsed.as_array() else {
        return Err(wrong("a list of cases is expected, [{\"family\": \"q7\", ...}, ...]".to_string()));
    };
    let mut rows = Vec::new();
    let mut differ = Vec::new();
    for way in &ways {
        let mut tally = Tally::default();
        for (index, value) in values.iter().enumerate() {
            let in_case = |why: String| wrong(format!("case {index}: {why}"));
            let family =
                value["family"].as_str().ok_or_else(|| in_case("\"family\" is missing, as \"q7\"".to_string()))?;
            let outputs = match (micro_only::FAMILIES.contains(&family), way) {
                (false, way) => Case::read(value, family).map(|case| case.run(way)),
                (true, Way::Micro) => micro_only::run(value, family),
                // Nobody asked for this instruction set alone.
                (true, Way::Kernels(_)) if args.isa.is_none() => continue,
                (true, Way::Kernels(context)) => {
                    Err(format!("{} has no kernels for {family}; --portable runs it", context.isa().name()))
                }
            };
            tally.cases += 1;
            for output in outputs.map_err(in_case)? {
                tally.add(family, &output.values);
                let want = recorded(value, output.name).map_err(in_case)?;
                let same = want.as_ref().map(|want| *want == output.values);
                if args.json {
                    print_json(&json!({
                        "way": way.name(), "case": index, "family": family, "output": output.name,
                        "values": output.values, "same": same,
                    }));
                }
                if same == Some(false) {
                    let want = want.unwrap_or_default();
                    let at =
                        (0..want.len().max(output.values.len())).find(|at| want.get(*at) != output.values.get(*at));
                    let at = at.unwrap_or(0);
                    let text = |values: &[i64]| values.get(at).map_or_else(|| "nothing".to_string(), i64::to_string);
                    differ.push(format!(
                        "case {index} ({}), {} of {}: number {at} is {}, recorded is {}",
                        family,
                        output.name,
                        way.name(),
                        text(&output.values),
                        text(&want)
                    ));
                }
            }
        }
        rows.push((way.name(), tally));
    }
    if !args.json {
        let mut told = table(&["", "cases", "outputs", "hash"], &[1, 2]);
        for (name, tally) in &rows {
            let hash = format!("{:016x}", tally.hash);
            told.add_row([name.to_string(), tally.cases.to_string(), tally.outputs.to_string(), hash]);
        }
        say!("{told}");
        if let Some((_, tally)) = rows.first() {
            let families = tally.families.iter().map(|(family, count)| format!("{count} {family}"));
            say!("Rows of outputs: {}.", families.collect::<Vec<_>>().join(", "));
            if let Some(alone) =
                rows.iter().map(|(_, other)| tally.cases - other.cases).max().filter(|alone| *alone > 0)
            {
                say!(
                    "{alone} cases ran on plexus-micro alone, because instruction sets have no kernels for their families."
                );
            }
        }
    }
    if differ.is_empty() {
        if !args.json {
            say!("All are as recorded.");
        }
        return Ok(());
    }
    const SHOWN: usize = 8;
    let more = differ.len().saturating_sub(SHOWN);
    let listed = differ[..differ.len() - more].join("\n  ");
    let more = if more > 0 { format!("\n  and {more} more") } else { String::new() };
    Err(Failure::Differs(format!("outputs differ from those that are recorded:\n  {listed}{more}")))
}

/// The recorded outputs of a case, where there are some.
fn recorded(case: &Value, name: &str) -> Result<Option<Vec<i64>>, String> {
    if case.get(name).is_none() { Ok(None) } else { fields::list(case, name, fields::WORD).map(Some) }
}

/// Outputs of one way.
#[derive(Default)]
struct Tally {
    cases: usize,
    outputs: usize,
    families: BTreeMap<String, usize>,
    hash: u64,
}

impl Tally {
    /// Adds a row of outputs; the hash is FNV-1a of 64 bits over their bytes, four a number, the lowest first.
    fn add(&mut self, family: &str, values: &[i64]) {
        if self.outputs == 0 {
            self.hash = 0xcbf2_9ce4_8422_2325;
        }
        self.outputs += values.len();
        *self.families.entry(family.to_string()).or_default() += 1;
        for byte in values.iter().flat_map(|value| (*value as i32).to_le_bytes()) {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
}
