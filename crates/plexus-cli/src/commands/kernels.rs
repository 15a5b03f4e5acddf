//! `plexus kernels`: the table of kernels, as this machine sees it.

use crate::Failure;
use crate::args::KernelsArgs;
use crate::output::{print_json, say, table};
use plexus_kernels::gemm::{KERNELS, Kernel};
use plexus_kernels::isa::Isa;

/// Prints every row of the table.
pub fn run(args: KernelsArgs) -> Result<(), Failure> {
    let picked = Kernel::selected();
    if args.json {
        for kernel in KERNELS {
            print_json(&serde_json::json!({
                "name": kernel.name,
                "isa": kernel.isa.name(),
                "rows": kernel.mr,
                "columns": kernel.nr,
                "consistent": kernel.consistent,
                "available": kernel.isa.is_available(),
                "picked": std::ptr::eq(kernel, picked),
            }));
        }
        return Ok(());
    }
    let mut rows = table(&["", "kernel", "instruction set", "tile", "consistent", "available"], &[]);
    for kernel in KERNELS {
        let yes = |is: bool| if is { "yes" } else { "no" };
        rows.add_row([
            if std::ptr::eq(kernel, picked) { "→" } else { "" },
            kernel.name,
            kernel.isa.name(),
            &format!("{} x {}", kernel.mr, kernel.nr),
            yes(kernel.consistent),
            yes(kernel.isa.is_available()),
        ]);
    }
    say!("{rows}");
    say!("→ is used for every matrix product. Consistent kernels give the same bits as each other.");
    say!("The other families (map, softmax, norm, reduce, update) run on {}.", Isa::selected().name());
    say!("PLEXUS_ISA=portable|avx2|avx512 chooses another instruction set that this machine has.");
    Ok(())
}
