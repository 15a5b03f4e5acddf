//! The AMX-BF16 row.

use super::body::{Size, Tiles, Unit};
use super::{Block, Kernel};
use crate::buffer::TileMut;
use crate::isa::Isa;
use crate::isa::amx::{self, Amx};
use crate::isa::pairs::{Strip, Sums};

/// Two tiles of sixteen rows by two of sixteen columns: four loads serve four products; see [`amx`] for fewer rows.
pub(super) const KERNEL: Kernel = Kernel { name: "gemm_bf16_amx_32x32", isa: Isa::Amx, mr: 32, nr: 32, block };

fn block(block: &Block<'_>, tile: TileMut<'_>) {
    let token = Amx::detect().expect("rows are run where their instruction set is available");
    let unit = token.tiles(tile.rows().min(32));
    token.run(Tiles { unit, block, tile });
}

impl Unit for amx::Tiles {
    const ROWS: usize = 32;
    // 512 elements: two panels of b are 32 KiB, of a first-level cache of 48. The chains of sums are no longer than
    // those of the other rows: in each step the unit sums sixteen even and sixteen odd products apart.
    const STEPS: usize = 16;

    #[inline(always)]
    fn panels(rows: usize) -> usize {
        if rows <= 16 { 4 } else { 2 }
    }

    #[inline(always)]
    fn product(&mut self, strips: &[Strip<'_>], size: Size, sums: &mut Sums<f32>) {
        self.set_rows(size.rows);
        self.bf16(strips, size.panels, size.steps, sums);
    }
}
