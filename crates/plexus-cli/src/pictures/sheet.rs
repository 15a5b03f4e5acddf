//! Small pictures side by side: filters, maps, mistakes.

use super::drawing::{Anchor, BLUE, Color, Drawing, GRID, INK, MUTED, PAGE, VERMILION};
use super::{COLUMN, Picture, SMALL, font, header};

/// One small picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Tile {
    /// Stands below it.
    pub caption: String,
    /// Rows of pixels.
    pub height: usize,
    /// Columns of pixels.
    pub width: usize,
    /// Row by row.
    pub values: Vec<f32>,
}

/// What a number looks like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shades {
    /// Of each picture its smallest number is the page, its largest the ink.
    Gray,
    /// Zero is the page, above is vermilion, below is blue; the same numbers look alike in all pictures.
    Signed,
}

/// How large the small pictures are, and how many of them stand in a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    columns: usize,
    /// The longest side of a small picture, in points.
    side: f32,
    gap: f32,
    /// The least width of the whole.
    width: f32,
}

impl Grid {
    /// For a screen or a page.
    pub const PAGE: Grid = Grid { columns: 8, side: 88.0, gap: 16.0, width: 520.0 };

    /// For a column of a paper as well. Many pictures are smaller.
    pub fn column(tiles: usize) -> Grid {
        match tiles {
            0..=16 => Grid { columns: 4, side: 94.0, gap: 16.0, width: COLUMN },
            _ => Grid { columns: 8, side: 42.0, gap: 13.7, width: COLUMN },
        }
    }

    /// How high so many small pictures are, with their captions.
    pub(super) fn height(&self, tiles: usize) -> f32 {
        tiles.div_ceil(self.columns) as f32 * (self.side + CAPTION + self.gap) - self.gap
    }

    /// So many side by side in a room.
    pub(super) fn row(columns: usize, room: f32) -> Grid {
        let gap = 15.0;
        Grid { columns, side: (room - gap * (columns - 1) as f32) / columns as f32, gap, width: 0.0 }
    }
}

pub(super) const MARGIN: f32 = 24.0;
pub(super) const TOP: f32 = 74.0;
const CAPTION: f32 = 20.0;
/// Shades between nothing and the most: neighbors of one shade become one box.
const LEVELS: f32 = 24.0;

/// Draws small pictures side by side.
pub fn sheet(heading: (&str, &str), subtitle: &str, shades: Shades, tiles: &[Tile], grid: Grid) -> Picture {
    if tiles.is_empty() {
        return Picture::note(heading.0, "There is nothing to show.");
    }
    let grid = Grid { columns: grid.columns.clamp(1, tiles.len()), ..grid };
    let width = (2.0 * MARGIN + (grid.side + grid.gap) * grid.columns as f32 - grid.gap).max(grid.width);
    let mut drawing = Drawing::new(width, TOP + grid.height(tiles.len()) + MARGIN, heading.0);
    header(&mut drawing, MARGIN, width - 2.0 * MARGIN, heading, subtitle);
    paint_tiles(&mut drawing, (MARGIN, TOP), shades, tiles, grid);
    Picture::new(drawing)
}

/// Draws the small pictures row by row, from a corner on.
pub(super) fn paint_tiles(
    drawing: &mut Drawing,
    (left, top): (f32, f32),
    shades: Shades,
    tiles: &[Tile],
    Grid { columns, side, gap, .. }: Grid,
) {
    let step = side + gap;
    let finite = |tile: &Tile| tile.values.iter().copied().filter(|value| value.is_finite()).collect::<Vec<f32>>();
    let strongest = tiles.iter().flat_map(finite).fold(0.0f32, |most, value| most.max(value.abs()));
    for (index, tile) in tiles.iter().enumerate() {
        let x = left + step * (index % columns) as f32;
        let y = top + (side + CAPTION + gap) * (index / columns) as f32;
        let (low, high) = finite(tile).iter().fold((f32::MAX, f32::MIN), |(low, high), v| (low.min(*v), high.max(*v)));
        let shade = |value: f32| -> Color {
            let part = |value: f32, most: f32| if most > 0.0 { (value / most * LEVELS).round() / LEVELS } else { 0.0 };
            match shades {
                Shades::Gray => PAGE.mix(INK, part(value - low, high - low)),
                Shades::Signed if value < 0.0 => PAGE.mix(BLUE, part(-value, strongest)),
                Shades::Signed => PAGE.mix(VERMILION, part(value, strongest)),
            }
        };
        paint(drawing, (x, y, side), tile, shade);
        let caption = font::shorten(&tile.caption, SMALL, side + gap - 4.0);
        drawing.text(x + side / 2.0, y + side + 14.0, SMALL, Anchor::Middle, MUTED, &caption);
    }
}

/// Draws the pixels of one picture, runs of one shade as one box, and a frame.
fn paint(drawing: &mut Drawing, (left, top, side): (f32, f32, f32), tile: &Tile, shade: impl Fn(f32) -> Color) {
    let pixel = side / tile.height.max(tile.width).max(1) as f32;
    let (width, height) = (pixel * tile.width as f32, pixel * tile.height as f32);
    let (left, top) = (left + (side - width) / 2.0, top + (side - height) / 2.0);
    for (row, values) in tile.values.chunks_exact(tile.width.max(1)).take(tile.height).enumerate() {
        let mut start = 0;
        while start < values.len() {
            let color = shade(values[start]);
            let mut end = start + 1;
            while end < values.len() && shade(values[end]) == color {
                end += 1;
            }
            if color != PAGE {
                let (x, y) = (left + pixel * start as f32, top + pixel * row as f32);
                drawing.rect(x, y, pixel * (end - start) as f32, pixel, color);
            }
            start = end;
        }
    }
    let (right, bottom) = (left + width, top + height);
    for (from, to) in [
        ((left, top), (right, top)),
        ((right, top), (right, bottom)),
        ((right, bottom), (left, bottom)),
        ((left, bottom), (left, top)),
    ] {
        drawing.rule(from, to, GRID);
    }
}
