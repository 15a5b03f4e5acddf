//! The report on this machine: its floors, and how near each kernel comes to them.

use super::floors::{Floors, READS};
use super::linear::{self, Size};
use super::measure::{Prepared, Times, measure_at_least};
use super::{check, microseconds, not_available};
use crate::Failure;
use crate::args::{BenchArgs, BenchTask, PrecisionArg};
use crate::output::{bytes, print_json, say, table};
use crate::progress::{Bar, Part, Streams};
use plexus::Context;
use serde_json::json;
use std::cell::Cell;
use std::io::IsTerminal;
use std::time::Duration;

/// The sizes of the report: one row at three sizes, few rows, a common training step, many rows.
const SIZES: [(usize, usize, usize); 7] = [
    (1, 784, 128),
    (1, 1024, 1024),
    (1, 4096, 4096),
    (8, 4096, 4096),
    (32, 4096, 4096),
    (128, 784, 512),
    (1024, 1024, 1024),
];

/// The time of all measurements of kernels together, and of all floors, in seconds.
const BUDGET: (f64, f64) = (12.0, 3.0);

/// What a call cannot take less than.
struct Floor {
    us: f64,
    bound: &'static str,
}

/// Weights and operands are read or written once; the sums are f32 multiply-adds where the kernel's are.
fn floor_of(floors: &Floors, call: &Prepared, precision: PrecisionArg) -> Floor {
    let speed = floors.bytes_per_second(call.weight_bytes);
    let reading = (call.weight_bytes + call.other_bytes) as f64 / speed * 1e6;
    let computing = call.macs as f64 / floors.macs * 1e6;
    // Units for shorter numbers have other rates, which are not measured: only bytes bound them here.
    let in_f32 = precision == PrecisionArg::Highest || precision.of_weights().is_some();
    if in_f32 && computing > reading {
        Floor { us: computing, bound: "multiply-adds" }
    } else {
        Floor { us: reading, bound: "bytes" }
    }
}

/// How far the measurements are, where somebody watches.
struct Progress {
    bar: Bar<Streams>,
    begun: Cell<usize>,
    count: usize,
}

impl Progress {
    fn over(count: usize) -> Progress {
        Progress { bar: Bar::after(Duration::ZERO, Streams::new()), begun: Cell::new(0), count }
    }

    fn begin(&self, what: &str) {
        let done = self.begun.replace(self.begun.get() + 1);
        self.bar.update(|| {
            let after = vec![Part::fixed(format!("{done}/{}", self.count)), Part::new(what, [(1, "")])];
            (done as f64 / self.count as f64, Vec::new(), after)
        });
    }
}

/// The most rows that compressed weights are measured with in the report.
const FEW: usize = 8;

/// One measured kernel.
struct Row {
    size: Size,
    precision: PrecisionArg,
    kernel: &'static str,
    picked: bool,
    times: Times,
    floor: Floor,
    bytes: usize,
    macs: u64,
}

/// Measures everything and prints it.
pub fn run(args: &BenchArgs, context: &Context) -> Result<(), Failure> {
    if args.optimizer.is_some() {
        return Err(Failure::Input("--optimizer belongs to a task: plexus bench train-mlp".to_string()));
    }
    let one = args.batch.or(args.inputs).or(args.outputs).is_some();
    let sizes = if one {
        vec![args.size()]
    } else {
        SIZES.map(|(batch, inputs, outputs)| Size { batch, inputs, outputs }).to_vec()
    };
    for &size in &sizes {
        check(size)?;
    }
    let precisions = PrecisionArg::all().filter(|&precision| args.precision.is_none_or(|only| only == precision));
    let mut rows: Vec<(PrecisionArg, linear::Row)> = Vec::new();
    for precision in precisions {
        for row in linear::rows(precision) {
            // A precision without products of its own here uses those of another one.
            let is_f32 = precision != PrecisionArg::Highest && row.kernel.starts_with("gemm_f32_");
            if !is_f32 || args.precision.is_some() {
                rows.push((precision, row));
            }
        }
    }
    if let (Some(precision), true) = (args.precision, rows.is_empty()) {
        return Err(not_available(precision, BenchTask::Linear));
    }
    let all = sizes.iter().flat_map(|&size| rows.iter().map(move |row| (size, row)));
    // Rounded weights are for few rows. Who asks for one precision gets it at every size.
    let few = |size: Size, precision: PrecisionArg| precision.of_weights().is_none() || size.batch <= FEW;
    let wanted = |size: Size, precision| args.precision.is_some() || few(size, precision);
    let pairs: Vec<_> = all.filter(|(size, (precision, _))| wanted(*size, *precision)).collect();
    let count = pairs.len().max(1);
    let seconds = args.seconds.unwrap_or((BUDGET.0 / count as f64).clamp(0.02, 0.25));
    let floor_seconds = args.seconds.map_or(BUDGET.1, |seconds| seconds * (READS.len() + 2) as f64);

    let progress = Progress::over(READS.len() + 2 + count);
    let floors = Floors::measure(context, floor_seconds, |what| progress.begin(what));
    let mut measured = Vec::new();
    for (size, (precision, row)) in pairs {
        progress.begin(&format!("{size} {}", row.kernel));
        let mut call = row.prepare(size, context);
        let times = measure_at_least(1, 2, seconds, &mut call.call);
        measured.push(Row {
            size,
            precision: *precision,
            kernel: row.kernel,
            picked: row.picked,
            times,
            floor: floor_of(&floors, &call, *precision),
            bytes: call.weight_bytes + call.other_bytes,
            macs: call.macs,
        });
    }
    progress.bar.clear();
    if args.json {
        print_lines(&floors, &measured, context)
    } else {
        print_tables(&floors, &measured, context)
    }
    Ok(())
}

fn print_lines(floors: &Floors, rows: &[Row], context: &Context) {
    let (threads, isa) = (context.pool().threads(), context.isa().name());
    let caches = caches();
    for (size, speed) in &floors.reads {
        print_json(&json!({
            "floor": "read", "bytes": size, "level": level(&caches, *size, threads), "threads": threads, "isa": isa,
            "gb_per_second": speed / 1e9,
        }));
    }
    let gflops = 2.0 * floors.macs / 1e9;
    print_json(&json!({ "floor": "multiply_add", "threads": threads, "isa": isa, "gflops_per_second": gflops }));
    print_json(&json!({ "floor": "wake", "threads": threads, "median_us": floors.wake_us }));
    for row in rows {
        print_json(&json!({
            "task": "linear",
            "batch": row.size.batch,
            "inputs": row.size.inputs,
            "outputs": row.size.outputs,
            "threads": threads,
            "precision": row.precision.name(),
            "kernel": row.kernel,
            "picked": row.picked,
            "median_us": row.times.median_us,
            "min_us": row.times.min_us,
            "runs": row.times.runs,
            "gflops_per_second": 2.0 * row.macs as f64 / row.times.median_us / 1e3,
            "gb_per_second": row.bytes as f64 / row.times.median_us / 1e3,
            "floor_us": row.floor.us,
            "bound": row.floor.bound,
            "percent_of_floor": 100.0 * row.floor.us / row.times.median_us,
        }));
    }
}

fn print_tables(floors: &Floors, rows: &[Row], context: &Context) {
    let threads = context.pool().threads();
    let many = if threads == 1 { "1 thread".to_string() } else { format!("{threads} threads") };
    say!("Floors of this machine with {many}, {}:", context.isa().name());
    let mut floor_table = table(&["what", "speed", "where it lies"], &[1]);
    let caches = caches();
    for (size, speed) in &floors.reads {
        floor_table.add_row([
            format!("reading {}", bytes(*size as u64)),
            format!("{:.1} GB/s", speed / 1e9),
            level(&caches, *size, threads).to_string(),
        ]);
    }
    let gflops = format!("{:.1} GFLOP/s", 2.0 * floors.macs / 1e9);
    floor_table.add_row(["multiply-adds in f32".to_string(), gflops, "registers".to_string()]);
    floor_table.add_row(["waking the threads".to_string(), format!("{:.1} us", floors.wake_us), String::new()]);
    say!("{floor_table}");
    say!();
    say!("relu(W x + b), batch x inputs x outputs, microseconds; → is what plexus uses:");
    let header = ["size", "precision", "kernel", "median", "speed", "floor", "of floor"];
    let mut kernel_table = table(&header, &[3, 4, 5, 6]);
    if !std::io::stdout().is_terminal() {
        // The longest names of precisions and kernels beside each other.
        kernel_table.set_width(120);
    }
    let mut before = None;
    for row in rows {
        let us = row.times.median_us;
        let speed = match row.floor.bound {
            "bytes" => format!("{:.1} GB/s", row.bytes as f64 / us / 1e3),
            _ => format!("{:.1} GFLOP/s", 2.0 * row.macs as f64 / us / 1e3),
        };
        kernel_table.add_row([
            // Said once for all kernels.
            if before.replace(row.size) == Some(row.size) { String::new() } else { row.size.to_string() },
            row.precision.name().to_string(),
            format!("{} {}", if row.picked { "→" } else { " " }, row.kernel),
            microseconds(us),
            speed,
            microseconds(row.floor.us),
            format!("{:.0} %", 100.0 * row.floor.us / us),
        ]);
    }
    say!("{kernel_table}");
    say!("The floor is the longer of two: reading weights and operands once, at the speed of the cache or memory");
    say!("that holds the weights; in f32, also the multiply-adds. Waking threads keeps small sizes away from it.");
}

/// The caches of the first processor, where the system tells: level and bytes, and whether each processor has its own.
fn caches() -> Vec<(u32, usize, bool)> {
    let folder = "/sys/devices/system/cpu/cpu0/cache";
    let mut found = Vec::new();
    for index in 0..8 {
        let read = |name: &str| std::fs::read_to_string(format!("{folder}/index{index}/{name}")).unwrap_or_default();
        let (kind, size) = (read("type"), read("size"));
        let size = size.trim().strip_suffix('K').and_then(|size| size.parse::<usize>().ok());
        let own = !read("shared_cpu_list").contains([',', '-']);
        if let (Ok(level), Some(size), true) = (read("level").trim().parse(), size, kind.trim() != "Instruction") {
            found.push((level, size << 10, own));
        }
    }
    found
}

/// Where a buffer of this size lies that all threads read again and again, each its share.
fn level(caches: &[(u32, usize, bool)], bytes: usize, threads: usize) -> &'static str {
    let holds = |&&(_, size, own): &&(u32, usize, bool)| bytes <= if own { size * threads } else { size };
    match caches.iter().find(holds) {
        _ if caches.is_empty() => "unknown",
        Some((1, ..)) => "L1",
        Some((2, ..)) => "L2",
        Some(_) => "L3",
        None => "memory",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_lies_in_the_first_cache_that_holds_it() {
        let caches = [(1, 32 << 10, true), (2, 512 << 10, true), (3, 32 << 20, false)];
        let of = |bytes: usize, threads: usize| level(&caches, bytes, threads);
        assert_eq!((of(32 << 10, 1), of(64 << 10, 1), of(64 << 10, 2)), ("L1", "L2", "L1"));
        assert_eq!((of(1 << 20, 2), of(32 << 20, 2), of(33 << 20, 2)), ("L2", "L3", "memory"));
        assert_eq!(level(&[], 1, 1), "unknown");
    }

    #[test]
    fn the_floor_is_the_longer_of_bytes_and_multiply_adds() {
        let floors = Floors { reads: vec![(1 << 20, 2e9), (1 << 26, 1e9)], macs: 1e9, wake_us: 1.0 };
        let call =
            |weight_bytes, macs| Prepared { call: Box::new(|| {}), kernel: "", weight_bytes, other_bytes: 0, macs };
        let few = floor_of(&floors, &call(1_000_000, 1), PrecisionArg::Highest);
        assert!((few.us - 500.0).abs() < 1e-6 && few.bound == "bytes");
        let many = floor_of(&floors, &call(1_000_000, 1_000_000), PrecisionArg::Highest);
        assert!((many.us - 1000.0).abs() < 1e-6 && many.bound == "multiply-adds");
        assert_eq!(floor_of(&floors, &call(1_000_000, 1_000_000), PrecisionArg::Int8).bound, "bytes");
    }
}
