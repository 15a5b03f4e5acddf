//! `plexus kernels`: the tables of kernels, as this machine sees them.

use crate::Failure;
use crate::args::KernelsArgs;
use crate::output::{print_json, say, table};
use plexus_kernels::isa::Isa;
use plexus_kernels::{gemm, gemm_bf16, gemm_i8, gemm_i16};

/// One row of one table.
struct Row {
    family: &'static str,
    name: &'static str,
    isa: Isa,
    tile: (usize, usize),
    /// Whether it gives the same bits as the other consistent rows of its family.
    consistent: bool,
    picked: bool,
}

/// The rows of every family that has a table.
fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    macro_rules! family {
        ($family:ident, $consistent:expr) => {
            for kernel in $family::KERNELS {
                rows.push(Row {
                    family: stringify!($family),
                    name: kernel.name,
                    isa: kernel.isa,
                    tile: (kernel.mr, kernel.nr),
                    consistent: $consistent(kernel),
                    picked: std::ptr::eq(kernel, $family::Kernel::for_isa(Isa::selected())),
                });
            }
        };
    }
    family!(gemm, |kernel: &gemm::Kernel| kernel.consistent);
    family!(gemm_bf16, |_| false);
    family!(gemm_i8, |kernel: &gemm_i8::Kernel| kernel.consistent);
    family!(gemm_i16, |kernel: &gemm_i16::Kernel| kernel.consistent);
    rows
}

/// Prints every row of every table.
pub fn run(args: KernelsArgs) -> Result<(), Failure> {
    let rows = rows();
    if args.json {
        for row in rows {
            print_json(&serde_json::json!({
                "family": row.family,
                "name": row.name,
                "isa": row.isa.name(),
                "rows": row.tile.0,
                "columns": row.tile.1,
                "consistent": row.consistent,
                "available": row.isa.is_available(),
                "picked": row.picked,
            }));
        }
        return Ok(());
    }
    let mut text = table(&["", "kernel", "instruction set", "tile", "consistent", "available"], &[]);
    for row in rows {
        let yes = |is: bool| if is { "yes" } else { "no" };
        text.add_row([
            if row.picked { "→" } else { "" },
            row.name,
            row.isa.name(),
            &format!("{} x {}", row.tile.0, row.tile.1),
            yes(row.consistent),
            yes(row.isa.is_available()),
        ]);
    }
    say!("{text}");
    say!(
        "→ is in use, one in each family: gemm for f32; gemm_bf16 for the precision medium, where it is not portable, and"
    );
    say!(
        "for high with amx (else they use gemm); gemm_i8 and gemm_i16 for integers. Consistent kernels of one family give the same"
    );
    say!(
        "bits. The other families (map, softmax, norm, reduce, update, weight_only) run on {}.",
        Isa::selected().name()
    );
    say!("PLEXUS_ISA chooses another instruction set that this machine has: see plexus kernels --help.");
    Ok(())
}
