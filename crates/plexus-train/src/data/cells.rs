//! Made pictures of cells with their masks, so that the first segmentation needs no file.

use super::{DataSource, Dataset, Samples, Targets, spelled};
use crate::error::DataError;
use plexus_kernels::random::{Random, Stream};

/// Height and width where nothing is said.
const SIDE: usize = 128;
/// Pictures where nothing is said.
const COUNT: usize = 250;
/// One picture in so many, the last of each run, is for the test.
const TEST_EVERY: usize = 5;
/// The most pixels of all pictures: five bytes each, 640 MiB.
const MOST_PIXELS: usize = 1 << 27;
/// No split of rows has this first index: the pictures have random numbers of their own.
const PICTURES: u64 = 1 << 40;

/// What is made.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Cells {
    height: usize,
    width: usize,
    count: usize,
    seed: u64,
}

/// Makes gray pictures `[1, height, width]`, values 0..=255, with a class for each pixel: `background` or `cell`.
///
/// `text` is `HEIGHTxWIDTH?count=N&seed=N`, each part of which may be left out. A picture is a few bright, rough ellipses
/// on an uneven ground, with dust that is no cell, and noise. It depends on the seed, its number and its size alone, and has
/// the same bytes on every machine. Picture `i` is for the test where `i % 5 == 4`.
pub(super) fn open(text: Option<&str>) -> Result<DataSource, DataError> {
    let cells = read(text.unwrap_or_default())?;
    let rows = |test: bool| (0..cells.count).filter(move |row| (row % TEST_EVERY == TEST_EVERY - 1) == test);
    let part = |test: bool| {
        let len = rows(test).count() * cells.height * cells.width;
        let (mut pixels, mut classes) = (Vec::with_capacity(len), Vec::with_capacity(len));
        rows(test).for_each(|row| cells.picture(row as u64, &mut pixels, &mut classes));
        let names = ["background", "cell"].map(str::to_string).to_vec();
        let positions = [cells.height, cells.width].into();
        let targets = Targets::Classes { names, axis: 0, positions, indices: classes };
        Dataset::single("cells", [1, cells.height, cells.width], Samples::U8(pixels), targets)
            .expect("each pixel has a class")
    };
    Ok(DataSource::fixed(part(false), part(true)))
}

fn read(text: &str) -> Result<Cells, DataError> {
    let (size, options) = text.split_once('?').unwrap_or((text, ""));
    let [height, width] = match size {
        "" => [SIDE, SIDE],
        size => spelled::size("cells", size)?,
    };
    let mut cells = Cells { height, width, count: COUNT, seed: 0 };
    for (name, value) in spelled::options("cells", options, &["count", "seed"])? {
        match name {
            "count" => cells.count = spelled::number("cells: count", value, 2..=1 << 20)? as usize,
            _ => cells.seed = spelled::number("cells: seed", value, 0..=u64::MAX)?,
        }
    }
    let bad = |option, expected, got: String| Err(DataError::BadOption { option, expected, got, remedy: None });
    if height.min(width) < 16 || height.max(width) > 4096 {
        return bad("cells: the size", "at least 16x16 and at most 4096x4096 pixels", size.to_string());
    }
    let pixels = height.saturating_mul(width).saturating_mul(cells.count);
    if pixels > MOST_PIXELS {
        let got = format!("{} of {height}x{width}, which take {} bytes", cells.count, pixels.saturating_mul(5));
        return bad("cells: the pictures", "at most 134217728 pixels in all, which take 671088640 bytes", got);
    }
    Ok(cells)
}

impl Cells {
    /// Appends one picture and the classes of its pixels.
    fn picture(&self, row: u64, pixels: &mut Vec<u8>, classes: &mut Vec<u32>) {
        let Cells { height, width, seed, .. } = *self;
        let mut random = Random::new(seed, Stream::Split, [PICTURES, row]);
        let (tall, wide) = (height as f32, width as f32);
        let [ground, down, right, noise, many] = drawn(&mut random);
        let mut light = vec![0.0f32; height * width];
        for (y, line) in light.chunks_exact_mut(width).enumerate() {
            let start = 0.2 + 0.15 * ground + 0.1 * (2.0 * down - 1.0) * (y as f32 / tall);
            for (x, light) in line.iter_mut().enumerate() {
                *light = start + 0.1 * (2.0 * right - 1.0) * (x as f32 / wide);
            }
        }
        let first = classes.len();
        classes.resize(first + height * width, 0);
        let classes = &mut classes[first..];
        // Four to twelve on a picture of 128 x 128, as crowded in others.
        let room = tall * wide / (SIDE * SIDE) as f32;
        let count = ((4.0 + 8.0 * many) * room.sqrt()).max(1.0) as usize;
        for _ in 0..count {
            Cell::draw(&mut random, [tall, wide]).paint([height, width], &mut light, classes);
        }
        for _ in 0..count {
            let [y, x, bright, ..] = drawn(&mut random);
            let (y, x) = ((y * tall) as usize, (x * wide) as usize);
            // Dust: two pixels by two, brighter than any cell.
            for at in [y * width + x, y * width + (x + 1) % width] {
                for at in [at, (at + width) % (height * width)] {
                    light[at] = light[at].max(0.55 + 0.4 * bright);
                }
            }
        }
        let mut grain = vec![0.0f32; height * width];
        random.normal(0.0, 0.04 + 0.05 * noise, &mut grain);
        pixels.extend(
            light.iter().zip(&grain).map(|(light, grain)| ((light + grain).clamp(0.0, 1.0) * 255.0 + 0.5) as u8),
        );
    }
}

fn drawn(random: &mut Random) -> [f32; 5] {
    let mut drawn = [0.0; 5];
    random.uniform(0.0, 1.0, &mut drawn);
    drawn
}

/// A rough ellipse.
struct Cell {
    center: [f32; 2],
    radii: [f32; 2],
    /// Cosine and sine of its turn.
    turn: [f32; 2],
    /// By how much its border leaves the ellipse.
    rough: [f32; 2],
    contrast: f32,
}

impl Cell {
    fn draw(random: &mut Random, [tall, wide]: [f32; 2]) -> Self {
        let ([y, x, size, aspect, half], [slant, dents, contrast, ..]) = (drawn(random), drawn(random));
        let radius = (0.06 + 0.07 * size) * SIDE as f32 * (tall.min(wide) / SIDE as f32).sqrt();
        let half = 2.0 * half - 1.0;
        let scale = 1.0 / (1.0 + half * half);
        Cell {
            center: [y * tall, x * wide],
            radii: [radius, radius * (0.6 + 0.4 * aspect)],
            turn: [(1.0 - half * half) * scale, 2.0 * half * scale],
            rough: [0.2 * (2.0 * slant - 1.0), 0.15 * (2.0 * dents - 1.0)],
            contrast: 0.18 + 0.2 * contrast,
        }
    }

    fn paint(&self, [height, width]: [usize; 2], light: &mut [f32], classes: &mut [u32]) {
        // No border reaches further than this.
        let reach = self.radii[0] * 1.5 + 1.0;
        let range = |center: f32, size: usize| {
            ((center - reach).max(0.0) as usize)..((center + reach).max(0.0) as usize + 1).min(size)
        };
        for y in range(self.center[0], height) {
            for x in range(self.center[1], width) {
                let (v, u) = (y as f32 - self.center[0], x as f32 - self.center[1]);
                let [cosine, sine] = self.turn;
                let (v, u) = ((cosine * v + sine * u) / self.radii[0], (cosine * u - sine * v) / self.radii[1]);
                let square = v * v + u * u;
                let distance = square.sqrt().max(1e-3);
                // The sine of twice the angle, the cosine of three times the angle.
                let (twice, thrice) =
                    (2.0 * u * v / square.max(1e-6), (u * u * u - 3.0 * u * v * v) / (distance * square.max(1e-6)));
                let inside = distance / (1.0 + self.rough[0] * twice + self.rough[1] * thrice);
                if inside < 1.0 {
                    // Bright up to near the border, with a nucleus.
                    let body = 0.7 + 0.3 * ((1.0 - inside) * 4.0).min(1.0);
                    let nucleus = if inside < 0.35 { 0.12 } else { 0.0 };
                    let at = y * width + x;
                    let ground = if classes[at] == 0 { light[at] } else { light[at] - 0.1 };
                    light[at] = ground + self.contrast * body + nucleus;
                    classes[at] = 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(set: &Dataset) -> (&[u8], &[u32]) {
        let (Samples::U8(values), Targets::Classes { indices, .. }) = (set.samples(), set.target()) else {
            unreachable!("cells are bytes and classes")
        };
        (values, indices)
    }

    #[test]
    fn the_pictures_are_the_same_on_every_machine() {
        let source = open(Some("48x40?count=10&seed=7")).unwrap();
        assert_eq!((source.train.len(), source.test.len()), (8, 2));
        assert_eq!((source.train.input().axes(), source.train.class_count()), (&[1, 48, 40][..], 2));
        let (values, classes) = bytes(&source.test);
        let sum = |values: &mut dyn Iterator<Item = u32>| {
            values.fold(0u32, |sum, value| sum.wrapping_mul(0x0100_0193) ^ value)
        };
        let sums = [sum(&mut values.iter().map(|v| u32::from(*v))), sum(&mut classes.iter().copied())];
        assert_eq!(sums, [2_676_916_536, 740_054_213]);
        // A picture depends on its number, not on how many there are.
        let more = open(Some("48x40?count=25&seed=7")).unwrap();
        assert_eq!(bytes(&more.test).0[..values.len()], *values);
        assert_ne!(bytes(&open(Some("48x40?count=10")).unwrap().test).0, values);
    }

    #[test]
    fn cells_are_brighter_than_the_ground_and_some_of_each_are_there() {
        let source = open(None).unwrap();
        assert_eq!((source.train.len(), source.test.len(), source.train.row_len()), (200, 50, 128 * 128));
        let (values, classes) = bytes(&source.train);
        let mean = |class: u32| {
            let of: Vec<f64> =
                values.iter().zip(classes).filter(|(_, c)| **c == class).map(|(v, _)| f64::from(*v)).collect();
            (of.iter().sum::<f64>() / of.len() as f64, of.len() as f64 / values.len() as f64)
        };
        let ((ground, _), (cell, share)) = (mean(0), mean(1));
        assert!(cell > ground + 40.0 && (0.1..0.5).contains(&share), "{ground} {cell} {share}");
        for image in classes.chunks(128 * 128) {
            assert!(image.contains(&0) && image.contains(&1));
        }
    }

    #[test]
    fn what_cannot_be_made_is_refused_before_it_is() {
        for (text, says) in [
            ("8x128", "at least 16x16"),
            ("128x5000", "at most 4096x4096 pixels, got 128x5000"),
            ("128", "HEIGHTxWIDTH"),
            ("axb", "HEIGHTxWIDTH"),
            ("4096x4096?count=1000", "which take 83886080000 bytes"),
            ("?count=1", "count must be a whole number from 2 to 1048576, got 1"),
            ("?count=many", "got many"),
            ("?cuont=3", "count, seed"),
            ("?count", "NAME=VALUE"),
        ] {
            let text = open(Some(text)).expect_err("is refused").to_string();
            assert!(text.contains(says), "{text}");
        }
    }
}
