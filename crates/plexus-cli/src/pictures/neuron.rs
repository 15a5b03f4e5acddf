//! A neuron in front of an image: what it sees of it, its weights, and what these make of the values.

use super::drawing::{Anchor, Drawing, GRID, INK, MUTED, Stroke, VERMILION, fixed};
use super::sheet::{Grid, MARGIN, Shades, TOP, Tile, paint_tiles};
use super::{COLUMN, Picture, SMALL, font, header};
use image::{RgbImage, imageops};

/// An image, and the part of it that the neuron depends on.
#[derive(Clone, Debug)]
pub struct Seen<'a> {
    /// As the model takes it.
    pub image: RgbImage,
    /// Stands below it.
    pub name: &'a str,
    /// First and last row that is seen.
    pub rows: [usize; 2],
    /// First and last column.
    pub columns: [usize; 2],
}

/// The longest side of the image.
const IMAGE: f32 = 150.0;
/// Between the image and the maps.
const BETWEEN: f32 = 36.0;
/// More maps than this stand below the image, not beside it.
const MOST_BESIDE: usize = 3;
/// From the name of a block to its maps, and from there to the next name.
const NAME: f32 = 10.0;
const BEHIND: f32 = 26.0;
const LINE: f32 = 17.0;
/// The longest side of an image in pixels: each of them is a box.
const PIXELS: u32 = 64;

/// Draws the image with a frame around what is seen, and maps of the weights and of weight times value.
pub fn neuron(heading: (&str, &str), subtitle: &str, seen: &Seen<'_>, weights: &[Tile], products: &[Tile]) -> Picture {
    let count = weights.len().max(products.len());
    let is_beside = count <= MOST_BESIDE;
    let beside = MARGIN + IMAGE + BETWEEN;
    let grid = if is_beside { Grid::row(MOST_BESIDE, COLUMN - MARGIN - beside) } else { Grid::column(count) };
    let words = [
        seen.name.to_string(),
        format!("rows {} to {}", seen.rows[0], seen.rows[1]),
        format!("columns {} to {}", seen.columns[0], seen.columns[1]),
    ];
    let (wide, high) = seen.image.dimensions();
    let point = IMAGE / wide.max(high).max(1) as f32;
    let below_image = TOP + high as f32 * point;
    // Two blocks of maps, each with a name; beside the image, or below it and its words.
    let blocks = 2.0 * (NAME + grid.height(count)) + BEHIND;
    let words_end = LINE * words.len() as f32;
    let (left, mut top, bottom) = match is_beside {
        true => (beside, TOP + NAME, (below_image + words_end).max(TOP + NAME + blocks)),
        false => {
            let top = below_image.max(TOP + words_end) + BEHIND;
            (MARGIN, top, top + blocks)
        }
    };
    let mut drawing = Drawing::new(COLUMN, bottom + MARGIN, heading.0);
    header(&mut drawing, MARGIN, COLUMN - 2.0 * MARGIN, heading, subtitle);
    paint(&mut drawing, seen, point);
    let (x, first) = if is_beside { (MARGIN, below_image) } else { (beside, TOP - 7.0) };
    let room = if is_beside { IMAGE } else { COLUMN - MARGIN - beside };
    for (index, line) in words.iter().enumerate() {
        let color = if index == 0 { INK } else { MUTED };
        let line = font::shorten(line, SMALL, room);
        drawing.text(x, first + LINE * (index + 1) as f32, SMALL, Anchor::Start, color, &line);
    }
    for (name, tiles) in [("weights", weights), ("weight · value", products)] {
        drawing.text(left, top, SMALL, Anchor::Start, INK, name);
        paint_tiles(&mut drawing, (left, top + NAME), Shades::Signed, tiles, grid);
        top += NAME + grid.height(count) + BEHIND;
    }
    Picture::new(drawing)
}

/// The image, and the frame.
fn paint(drawing: &mut Drawing, seen: &Seen<'_>, point: f32) {
    let (wide, high) = seen.image.dimensions();
    let most = wide.max(high).max(1);
    let (columns, rows) = match most > PIXELS {
        true => ((wide * PIXELS / most).max(1), (high * PIXELS / most).max(1)),
        false => (wide, high),
    };
    let small = imageops::thumbnail(&seen.image, columns, rows);
    let (across, down) = (wide as f32 * point / columns as f32, high as f32 * point / rows as f32);
    // Few shades, so that neighbors of one shade become one box.
    let color = |x: u32, y: u32| small.get_pixel(x, y).0.map(|value| (f32::from(value) / 8.5).round() as u8);
    for y in 0..rows {
        let mut start = 0;
        while start < columns {
            let shade = color(start, y);
            let end = (start + 1..columns).find(|x| color(*x, y) != shade).unwrap_or(columns);
            let (left, top) = (MARGIN + across * start as f32, TOP + down * y as f32);
            let rgb = shade.map(|value| (f32::from(value) * 8.5) as u8);
            // Over the edge of the next boxes, which come later: between two that only touch the page would shine through.
            let over = |is_last: bool| if is_last { 0.0 } else { 1.0 };
            let wide = across * (end - start) as f32 + over(end == columns);
            drawing.rect(left, top, wide, down + over(y + 1 == rows), fixed(rgb));
            start = end;
        }
    }
    let mut frame = |[left, right]: [f32; 2], [top, bottom]: [f32; 2], stroke: Stroke| {
        let (left, right, top, bottom) = (MARGIN + left, MARGIN + right, TOP + top, TOP + bottom);
        // The first side twice: so the last corner is as round as the others.
        let corners = [(left, top), (right, top), (right, bottom), (left, bottom)];
        drawing.line(corners.iter().chain(&corners[..2]).copied().collect(), stroke);
    };
    let edge = Stroke { color: GRID, width: 1.0, dash: None };
    frame([0.0, wide as f32 * point], [0.0, high as f32 * point], edge);
    // Around what is seen, not over it, and on white, so that it is seen on reds too.
    let around = |[first, last]: [usize; 2]| [first as f32 * point - 2.0, (last + 1) as f32 * point + 2.0];
    for (color, width) in [(fixed([255; 3]), 4.0), (VERMILION, 2.0)] {
        frame(around(seen.columns), around(seen.rows), Stroke { color, width, dash: None });
    }
}
