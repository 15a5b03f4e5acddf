//! Reads the letters of the one embedded font: index, width, outline.
//!
//! Only what that file needs: character map of format 4, horizontal advances, outlines of quadratic curves,
//! composed glyphs placed by offsets. No hinting, no kerning, no fonts from outside: a library that does all
//! of it (`skrifa`) is larger than everything else here together. A test reads every glyph.
//!
//! # Source
//! OpenType specification 1.9, chapters `cmap`, `glyf`, `head`, `hhea`, `hmtx`, `loca`.

/// A piece of an outline, in units of the font with y upwards.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Segment {
    Move(f32, f32),
    Line(f32, f32),
    /// Control point, then end point.
    Quad(f32, f32, f32, f32),
    Close,
}

/// The tables of a font file, by the place where each begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct TrueType {
    data: &'static [u8],
    /// Units in one em, the nominal text size.
    pub units_per_em: f32,
    long_offsets: bool,
    advance_count: usize,
    cmap: usize,
    glyf: usize,
    hmtx: usize,
    loca: usize,
}

/// One point of a contour, and whether the curve passes through it.
type Point = (f32, f32, bool);

impl TrueType {
    /// Finds the tables; none when the file is not such a font.
    pub(super) fn new(data: &'static [u8]) -> Option<Self> {
        let table = |tag: &[u8; 4]| {
            let entry = (0..u16_at(data, 4)?)
                .map(|index| 12 + 16 * index)
                .find(|&at| data.get(at..at + 4) == Some(tag.as_slice()))?;
            u32_at(data, entry + 8)
        };
        let (head, cmap) = (table(b"head")?, table(b"cmap")?);
        // The character map for the basic plane: format 4, from the first table that has it.
        let cmap = (0..u16_at(data, cmap + 2)?)
            .filter_map(|index| Some(cmap + u32_at(data, cmap + 4 + 8 * index + 4)?))
            .find(|&at| u16_at(data, at) == Some(4))?;
        Some(Self {
            data,
            units_per_em: u16_at(data, head + 18)? as f32,
            long_offsets: u16_at(data, head + 50)? == 1,
            advance_count: u16_at(data, table(b"hhea")? + 34)?,
            cmap,
            glyf: table(b"glyf")?,
            hmtx: table(b"hmtx")?,
            loca: table(b"loca")?,
        })
    }

    /// Finds the glyph of a letter.
    pub(super) fn glyph(&self, letter: char) -> Option<usize> {
        let code = usize::try_from(u32::from(letter)).ok()?;
        let at = |offset| u16_at(self.data, self.cmap + offset);
        // Four arrays of the same length: ends, starts, deltas, offsets; segments are sorted by their ends.
        let double = at(6)?;
        let segment = (0..double / 2).find(|&segment| at(14 + 2 * segment) >= Some(code))?;
        let field = |array: usize| 16 + array * double + 2 * segment;
        let (start, delta, offset) = (at(field(1))?, at(field(2))?, at(field(3))?);
        if code < start || code > 0xffff {
            return None;
        }
        let glyph = match offset {
            0 => (code + delta) & 0xffff,
            _ => match at(field(3) + offset + 2 * (code - start))? {
                0 => 0,
                index => (index + delta) & 0xffff,
            },
        };
        (glyph != 0).then_some(glyph)
    }

    /// Returns how far the pen moves after a glyph, in units of the font.
    pub(super) fn advance(&self, glyph: usize) -> Option<f32> {
        // Glyphs beyond the table have the last advance in it.
        let row = glyph.min(self.advance_count.checked_sub(1)?);
        Some(u16_at(self.data, self.hmtx + 4 * row)? as f32)
    }

    /// Returns the outline of a glyph; empty for a space.
    pub(super) fn outline(&self, glyph: usize) -> Option<Vec<Segment>> {
        let mut segments = Vec::new();
        // Glyphs are composed of glyphs; a limit ends a circle, which a sound font does not have.
        for contour in self.contours(glyph, 8)? {
            trace(&contour, &mut segments);
        }
        Some(segments)
    }

    fn contours(&self, glyph: usize, depth: usize) -> Option<Vec<Vec<Point>>> {
        let place = |index: usize| match self.long_offsets {
            true => u32_at(self.data, self.loca + 4 * index),
            false => Some(2 * u16_at(self.data, self.loca + 2 * index)?),
        };
        let (start, end) = (place(glyph)?, place(glyph + 1)?);
        if start == end {
            return Some(Vec::new());
        }
        let start = self.glyf + start;
        match i16_at(self.data, start)? {
            -1 => self.composed(start + 10, depth.checked_sub(1)?),
            count => self.simple(start + 10, usize::try_from(count).ok()?),
        }
    }

    /// Reads a glyph of its own contours.
    fn simple(&self, start: usize, contour_count: usize) -> Option<Vec<Vec<Point>>> {
        let data = self.data;
        let ends: Vec<usize> =
            (0..contour_count).map(|contour| Some(u16_at(data, start + 2 * contour)? + 1)).collect::<Option<_>>()?;
        let point_count = ends.last().copied().unwrap_or(0);
        let mut at = start + 2 * contour_count;
        at += 2 + u16_at(data, at)?; // instructions for hinting
        let mut flags = Vec::with_capacity(point_count);
        while flags.len() < point_count {
            let flag = *data.get(at)?;
            at += 1;
            let mut repeats = 1;
            if flag & 8 != 0 {
                repeats += usize::from(*data.get(at)?);
                at += 1;
            }
            flags.extend(std::iter::repeat_n(flag, repeats));
        }
        flags.truncate(point_count);
        // Each coordinate is a difference: one byte with its sign in the flag, two bytes, or none.
        let mut axis = |short: u8, same: u8| {
            let mut position = 0;
            (flags.iter())
                .map(|flag| {
                    if flag & short != 0 {
                        let step = i32::from(*data.get(at)?);
                        at += 1;
                        position += if flag & same != 0 { step } else { -step };
                    } else if flag & same == 0 {
                        position += i16_at(data, at)?;
                        at += 2;
                    }
                    Some(position as f32)
                })
                .collect::<Option<Vec<f32>>>()
        };
        let (xs, ys) = (axis(2, 16)?, axis(4, 32)?);
        let points: Vec<Point> = (0..point_count).map(|point| (xs[point], ys[point], flags[point] & 1 != 0)).collect();
        let starts = std::iter::once(0).chain(ends.iter().copied());
        (starts.zip(&ends)).map(|(from, &to)| Some(points.get(from..to)?.to_vec())).collect()
    }

    /// Reads a glyph that is put together from others, such as a letter and its accent.
    fn composed(&self, mut at: usize, depth: usize) -> Option<Vec<Vec<Point>>> {
        let data = self.data;
        let mut contours = Vec::new();
        loop {
            let (flags, glyph) = (u16_at(data, at)?, u16_at(data, at + 2)?);
            at += 4;
            let (x, y) = if flags & 1 != 0 {
                at += 4;
                (i16_at(data, at - 4)?, i16_at(data, at - 2)?)
            } else {
                at += 2;
                let byte = |at: usize| Some(i32::from(data.get(at)?.cast_signed()));
                (byte(at - 2)?, byte(at - 1)?)
            };
            let mut factor = || {
                at += 2;
                Some(i16_at(data, at - 2)? as f32 / 16384.0)
            };
            // Columns of the 2 x 2 matrix that the part is multiplied with.
            let (mut xx, mut xy, mut yx, mut yy) = (1.0, 0.0, 0.0, 1.0);
            if flags & 8 != 0 {
                xx = factor()?;
                yy = xx;
            } else if flags & 0x40 != 0 {
                (xx, yy) = (factor()?, factor()?);
            } else if flags & 0x80 != 0 {
                (xx, xy, yx, yy) = (factor()?, factor()?, factor()?, factor()?);
            }
            let (x, y) = (x as f32, y as f32);
            contours.extend(self.contours(glyph, depth)?.into_iter().map(|contour| {
                (contour.into_iter())
                    .map(|(px, py, on)| (xx * px + yx * py + x, xy * px + yy * py + y, on))
                    .collect::<Vec<Point>>()
            }));
            if flags & 0x20 == 0 {
                return Some(contours);
            }
        }
    }
}

/// Turns one contour into lines and curves; between two points off the curve lies one on it.
fn trace(contour: &[Point], segments: &mut Vec<Segment>) {
    let (Some(&first), Some(&last)) = (contour.first(), contour.last()) else {
        return;
    };
    let middle = |a: Point, b: Point| (0.5 * (a.0 + b.0), 0.5 * (a.1 + b.1), true);
    let start = match (first.2, last.2) {
        (true, _) => first,
        (false, true) => last,
        (false, false) => middle(first, last),
    };
    segments.push(Segment::Move(start.0, start.1));
    let mut control: Option<Point> = None;
    for &point in contour.iter().chain(std::iter::once(&start)) {
        match (control, point.2) {
            (None, true) => segments.push(Segment::Line(point.0, point.1)),
            (None, false) => control = Some(point),
            (Some(bend), true) => {
                segments.push(Segment::Quad(bend.0, bend.1, point.0, point.1));
                control = None;
            }
            (Some(bend), false) => {
                let end = middle(bend, point);
                segments.push(Segment::Quad(bend.0, bend.1, end.0, end.1));
                control = Some(point);
            }
        }
    }
    segments.push(Segment::Close);
}

fn u16_at(data: &[u8], at: usize) -> Option<usize> {
    let bytes = data.get(at..at + 2)?;
    Some(usize::from(u16::from_be_bytes([bytes[0], bytes[1]])))
}

fn i16_at(data: &[u8], at: usize) -> Option<i32> {
    let bytes = data.get(at..at + 2)?;
    Some(i32::from(i16::from_be_bytes([bytes[0], bytes[1]])))
}

fn u32_at(data: &[u8], at: usize) -> Option<usize> {
    Some((u16_at(data, at)? << 16) | u16_at(data, at + 2)?)
}
