//! Pictures changed a little each time they are learnt from: moved, turned, enlarged, bent, mirrored, cut, lightened.

use plexus_kernels::random::{Random, Stream};
use serde::{Deserialize, Serialize};

/// How much pictures are changed. Each number is the most, or for `elastic` the usual amount; zero leaves it out.
///
/// ```text
/// output[c, y, x] = light · input[c, source(y, x)], between pixels by their neighbors
/// source(y, x)    = center + rotation(turn) · mirror · ((y, x) − center) · window / (1 + growth) + move + bend(y, x)
/// ```
///
/// What happens to a row depends on the seed of the run, the epoch and the row alone, so a resumed run sees the same
/// pictures. Beyond the border the pixels at the border are repeated.
///
/// # Source
/// Simard, Steinkraus and Platt 2003 (ICDAR) for elastic bending; here the field is drawn on a grid of 5 x 5 points and
/// interpolated in between.
///
/// # Examples
/// ```
/// use plexus_train::data::Augment;
/// let augment: Augment = "shift=2,rotate=10".parse().unwrap();
/// assert_eq!((augment.shift, augment.rotate, augment.elastic), (2.0, 10.0, 0.0));
/// assert_eq!(augment.to_string(), "shift=2,rotate=10");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augment {
    /// Pixels up, down, left or right.
    pub shift: f32,
    /// Degrees either way.
    pub rotate: f32,
    /// Share by which a picture grows or shrinks.
    pub scale: f32,
    /// Share by which rows slide against each other.
    pub shear: f32,
    /// The standard deviation, in pixels, by which points of the grid move.
    pub elastic: f32,
    /// The probability of exchanging left and right.
    pub flip: f32,
    /// The probability of exchanging top and bottom.
    pub flip_vertical: f32,
    /// Share of the sides that is cut off; what is left, from anywhere in the picture, is enlarged to its size.
    pub crop: f32,
    /// Share by which all values of a picture rise or fall; its classes do not.
    pub brightness: f32,
}

/// Names of the numbers with the largest that makes sense.
const FIELDS: [(&str, f32); 9] = [
    ("shift", 1e4),
    ("rotate", 180.0),
    ("scale", 0.9),
    ("shear", 2.0),
    ("elastic", 1e4),
    ("flip", 1.0),
    ("flip_vertical", 1.0),
    ("crop", 0.9),
    ("brightness", 0.95),
];

/// Points of the grid along each side.
const GRID: usize = 5;

impl Augment {
    /// What suits handwritten digits and similar small pictures: the recipe of the documentation.
    pub const USUAL: &str = "shift=1.5,rotate=9,scale=0.1,shear=0.1,elastic=0.7";

    fn fields(&mut self) -> [&mut f32; 9] {
        let Augment { shift, rotate, scale, shear, elastic, flip, flip_vertical, crop, brightness } = self;
        [shift, rotate, scale, shear, elastic, flip, flip_vertical, crop, brightness]
    }

    /// Changes one sample of `[channels, height, width]`.
    ///
    /// # Panics
    /// Where the lengths are not those of the shape.
    pub fn apply(&self, key: RowKey, [channels, height, width]: [usize; 3], from: &[f32], to: &mut [f32]) {
        let plane = height * width;
        assert_eq!((from.len(), to.len()), (channels * plane, channels * plane), "channels · height · width");
        if plane == 0 {
            return;
        }
        let map = Map::draw(self, key, [height, width]);
        for y in 0..height {
            for x in 0..width {
                let [source_y, source_x] = map.source(y, x);
                let (y0, y1, below) = between(source_y, height);
                let (x0, x1, right) = between(source_x, width);
                for channel in 0..channels {
                    let pixels = &from[channel * plane..][..plane];
                    let row = |y: usize| {
                        let (left, next) = (pixels[y * width + x0], pixels[y * width + x1]);
                        left + (next - left) * right
                    };
                    let (upper, lower) = (row(y0), row(y1));
                    to[channel * plane + y * width + x] = (upper + (lower - upper) * below) * map.light;
                }
            }
        }
    }
}

impl Augment {
    /// Changes the classes of the pixels of one sample as [`Augment::apply`] changes the sample: each pixel takes the class of
    /// the pixel nearest to where it comes from.
    ///
    /// # Panics
    /// Where there are not `height · width` classes.
    pub fn apply_to_classes(&self, key: RowKey, [height, width]: [usize; 2], classes: &mut [u32]) {
        assert_eq!(classes.len(), height * width, "height · width");
        if classes.is_empty() {
            return;
        }
        let (map, from) = (Map::draw(self, key, [height, width]), classes.to_vec());
        let nearest = |at: f32, size: usize| (at.clamp(0.0, (size - 1) as f32) + 0.5) as usize;
        for (pixel, class) in classes.iter_mut().enumerate() {
            let [y, x] = map.source(pixel / width, pixel % width);
            *class = from[nearest(y, height) * width + nearest(x, width)];
        }
    }
}

/// The two neighbors of a place along one side, and how far it is from the first to the second.
fn between(at: f32, size: usize) -> (usize, usize, f32) {
    let at = at.clamp(0.0, (size - 1) as f32);
    let first = at as usize;
    (first, (first + 1).min(size - 1), at - first as f32)
}

/// What the changes of one row are drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowKey {
    /// The seed of the run.
    pub seed: u64,
    /// The epoch.
    pub epoch: u64,
    /// The row of the data set.
    pub row: u64,
}

/// What is drawn behind everything else, and only where it is asked for: pictures that are not mirrored, cut or lightened
/// keep their random numbers.
struct Later {
    /// −1 along a side that is mirrored.
    mirrors: [f32; 2],
    /// The share of the sides that is kept, and where, in −1..1.
    window: f32,
    place: [f32; 2],
    light: f32,
}

impl Later {
    fn draw(augment: &Augment, random: &mut Random) -> Self {
        let Augment { flip, flip_vertical, crop, brightness, .. } = *augment;
        if [flip, flip_vertical, crop, brightness] == [0.0; 4] {
            return Later { mirrors: [1.0; 2], window: 1.0, place: [0.0; 2], light: 1.0 };
        }
        let mut drawn = [0.0f32; 6];
        random.uniform(0.0, 1.0, &mut drawn);
        let [top, left, cut, down, right, light] = drawn;
        let mirror = |drawn: f32, share: f32| if drawn < share { -1.0 } else { 1.0 };
        Later {
            mirrors: [mirror(top, flip_vertical), mirror(left, flip)],
            window: 1.0 - cut * crop,
            place: [2.0 * down - 1.0, 2.0 * right - 1.0],
            light: 1.0 + (2.0 * light - 1.0) * brightness,
        }
    }
}

/// Where each pixel comes from.
struct Map {
    /// Rows of the linear part: of y, of x; and what is added.
    linear: [[f32; 2]; 2],
    offset: [f32; 2],
    center: [f32; 2],
    /// How points of the grid move, and points of the grid a pixel.
    bend: [[[f32; 2]; GRID]; GRID],
    density: [f32; 2],
    bends: bool,
    /// What values are multiplied by.
    light: f32,
}

impl Map {
    fn draw(augment: &Augment, key: RowKey, [height, width]: [usize; 2]) -> Self {
        let mut random = Random::new(key.seed, Stream::Augment, [key.epoch, key.row]);
        let mut drawn = [0.0f32; 5];
        random.uniform(-1.0, 1.0, &mut drawn);
        let [up, left, turn, growth, slant] = drawn;
        // tan(angle / 2) gives sine and cosine without a mathematical library, so with the same bits everywhere.
        let half = turn * augment.rotate * (std::f32::consts::PI / 360.0);
        let half = half + half * half * half * (1.0 / 3.0);
        let (cosine, sine) = ((1.0 - half * half) / (1.0 + half * half), 2.0 * half / (1.0 + half * half));
        let zoom = 1.0 / (1.0 + growth * augment.scale);
        let slant = slant * augment.shear;
        let linear = [[cosine * zoom, sine * zoom], [(slant * cosine - sine) * zoom, (cosine + slant * sine) * zoom]];
        let mut bend = [[[0.0; 2]; GRID]; GRID];
        let bends = augment.elastic > 0.0;
        if bends {
            random.normal(0.0, augment.elastic, bend.as_flattened_mut().as_flattened_mut());
        }
        let Later { mirrors, window, place, light } = Later::draw(augment, &mut random);
        let linear = linear.map(|row| [row[0] * mirrors[0] * window, row[1] * mirrors[1] * window]);
        // What is cut off lies on either side.
        let rest = |size: usize, place: f32| place * (1.0 - window) * (size - 1) as f32 / 2.0;
        let side = |size: usize| (GRID - 1) as f32 / size.saturating_sub(1).max(1) as f32;
        Map {
            linear,
            offset: [up * augment.shift + rest(height, place[0]), left * augment.shift + rest(width, place[1])],
            center: [(height - 1) as f32 / 2.0, (width - 1) as f32 / 2.0],
            bend,
            density: [side(height), side(width)],
            bends,
            light,
        }
    }

    fn source(&self, y: usize, x: usize) -> [f32; 2] {
        let (v, u) = (y as f32 - self.center[0], x as f32 - self.center[1]);
        let mut source = [0, 1]
            .map(|axis| self.center[axis] + self.linear[axis][0] * v + self.linear[axis][1] * u + self.offset[axis]);
        if self.bends {
            let (y0, y1, below) = between(y as f32 * self.density[0], GRID);
            let (x0, x1, right) = between(x as f32 * self.density[1], GRID);
            for (axis, source) in source.iter_mut().enumerate() {
                let row = |y: usize| {
                    let (left, next) = (self.bend[y][x0][axis], self.bend[y][x1][axis]);
                    left + (next - left) * right
                };
                let (upper, lower) = (row(y0), row(y1));
                *source += upper + (lower - upper) * below;
            }
        }
        source
    }
}

impl std::fmt::Display for Augment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut copy = *self;
        let fields = FIELDS.iter().zip(copy.fields()).filter(|(_, value)| **value != 0.0);
        let texts: Vec<String> = fields.map(|((name, _), value)| format!("{name}={value}")).collect();
        f.write_str(&texts.join(","))
    }
}

impl std::str::FromStr for Augment {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let mut augment = Augment::default();
        let known = FIELDS.map(|(name, _)| name).join(", ");
        for part in text.split(',').map(str::trim) {
            let (name, number) =
                part.split_once('=').ok_or_else(|| format!("\"{part}\" is not written NAME=NUMBER"))?;
            let index = FIELDS.iter().position(|(field, _)| *field == name);
            let index = index.ok_or_else(|| format!("there is no \"{name}\"; known: {known}"))?;
            let most = FIELDS[index].1;
            let number = number.parse::<f32>().ok().filter(|number| (0.0..=most).contains(number));
            *augment.fields()[index] = number.ok_or_else(|| format!("{name} must be a number in 0..={most}"))?;
        }
        Ok(augment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: RowKey = RowKey { seed: 3, epoch: 1, row: 7 };

    fn picture() -> Vec<f32> {
        (0..2 * 7 * 6).map(|at| (at as f32 * 0.7).sin() + 2.0).collect()
    }

    fn changed(augment: Augment, key: RowKey) -> Vec<f32> {
        let mut to = vec![0.0; 84];
        augment.apply(key, [2, 7, 6], &picture(), &mut to);
        to
    }

    #[test]
    fn nothing_asked_changes_nothing() {
        assert_eq!(changed(Augment::default(), KEY), picture());
    }

    #[test]
    fn a_row_of_an_epoch_is_always_changed_alike_and_others_otherwise() {
        let augment: Augment = Augment::USUAL.parse().unwrap();
        assert_eq!(changed(augment, KEY), changed(augment, KEY));
        for other in [RowKey { seed: 4, ..KEY }, RowKey { epoch: 2, ..KEY }, RowKey { row: 8, ..KEY }] {
            assert_ne!(changed(augment, KEY), changed(augment, other));
        }
    }

    #[test]
    fn values_stay_between_the_smallest_and_the_largest_of_the_picture() {
        let (low, high) = picture().iter().fold((f32::MAX, f32::MIN), |(low, high), v| (low.min(*v), high.max(*v)));
        for row in 0..100 {
            let augment = "shift=5,rotate=180,scale=0.9,shear=2,elastic=3".parse().unwrap();
            assert!(changed(augment, RowKey { row, ..KEY }).iter().all(|v| (low..=high).contains(v)));
        }
    }

    #[test]
    fn a_turn_is_a_turn_by_the_angle_at_most() {
        // The rotation has determinant 1, and its angle is within what was asked.
        for row in 0..50 {
            let augment = Augment { rotate: 30.0, ..Augment::default() };
            let map = Map::draw(&augment, RowKey { row, ..KEY }, [9, 9]);
            let [[a, b], [c, d]] = map.linear;
            assert!((a * d - b * c - 1.0).abs() < 1e-5);
            assert!(b.atan2(a).to_degrees().abs() < 30.2, "{}", b.atan2(a).to_degrees());
        }
    }

    #[test]
    fn a_mirrored_picture_is_the_picture_mirrored_and_so_are_its_classes() {
        let (from, classes): (Vec<f32>, Vec<u32>) = (picture(), (0..42).collect());
        for (text, along) in [("flip=1", 1), ("flip_vertical=1", 0)] {
            let augment: Augment = text.parse().unwrap();
            let (to, mut moved) = (changed(augment, KEY), classes.clone());
            augment.apply_to_classes(KEY, [7, 6], &mut moved);
            for (at, class) in moved.iter().enumerate() {
                let (y, x) = (at / 6, at % 6);
                let mirrored = if along == 1 { y * 6 + 5 - x } else { (6 - y) * 6 + x };
                assert_eq!(
                    (to[at], to[42 + at], *class),
                    (from[mirrored], from[42 + mirrored], mirrored as u32),
                    "{text}"
                );
            }
        }
        let half: Augment = "flip=0.5".parse().unwrap();
        let mirrored = (0..200).filter(|row| changed(half, RowKey { row: *row, ..KEY }) != from).count();
        assert!((70..130).contains(&mirrored), "{mirrored}");
    }

    #[test]
    fn a_cut_stays_inside_the_picture_and_light_changes_values_alone() {
        let augment: Augment = "crop=0.5".parse().unwrap();
        for row in 0..100 {
            let map = Map::draw(&augment, RowKey { row, ..KEY }, [7, 6]);
            let ([top, left], [bottom, right]) = (map.source(0, 0), map.source(6, 5));
            let inside =
                |low: f32, high: f32, most: f32| low > -1e-4 && high < most + 1e-4 && high - low > 0.499 * most;
            assert!(inside(top, bottom, 6.0) && inside(left, right, 5.0), "{top} {bottom} {left} {right}");
        }
        let light: Augment = "brightness=0.3".parse().unwrap();
        let (to, from) = (changed(light, KEY), picture());
        let factor = to[0] / from[0];
        assert!((0.7..=1.3).contains(&factor) && factor != 1.0);
        assert!(to.iter().zip(&from).all(|(to, from)| (to / from - factor).abs() < 1e-6));
        let mut classes: Vec<u32> = (0..42).collect();
        light.apply_to_classes(KEY, [7, 6], &mut classes);
        assert!(classes.iter().copied().eq(0..42));
    }

    #[test]
    fn a_moved_picture_is_the_picture_moved() {
        let from: Vec<f32> = (0..81).map(|at| (at % 9) as f32).collect();
        let mut to = vec![0.0; 81];
        let augment = Augment { shift: 2.0, ..Augment::default() };
        augment.apply(KEY, [1, 9, 9], &from, &mut to);
        let moved = to[4] - 4.0;
        assert!(moved.abs() <= 2.0 && moved != 0.0);
        let inner = to.iter().enumerate().take(6).skip(3);
        assert!({ inner }.all(|(x, value)| (value - (x as f32 + moved)).abs() < 1e-5));
    }

    #[test]
    fn classes_move_with_their_pixels() {
        // Where the picture holds the classes as numbers and no pixel falls between two classes, both come out alike.
        let (height, width) = (12, 10);
        let classes: Vec<u32> = (0..height * width).map(|at| u32::from(at % width >= 5)).collect();
        let picture: Vec<f32> = classes.iter().map(|class| *class as f32).collect();
        for row in 0..20 {
            let augment: Augment = "shift=2,rotate=20,scale=0.2,elastic=0.5".parse().unwrap();
            let (mut changed, mut of_pixels) = (vec![0.0; classes.len()], classes.clone());
            augment.apply(RowKey { row, ..KEY }, [1, height, width], &picture, &mut changed);
            augment.apply_to_classes(RowKey { row, ..KEY }, [height, width], &mut of_pixels);
            let clear = changed.iter().zip(&of_pixels).filter(|(value, _)| **value == 0.0 || **value == 1.0);
            let agreeing = clear.clone().filter(|(value, class)| **value == **class as f32).count();
            assert!(agreeing == clear.count() && of_pixels != classes, "row {row}");
        }
    }

    #[test]
    fn texts_are_read_and_written_back() {
        for text in ["shift=2", "rotate=10,elastic=0.5", Augment::USUAL] {
            assert_eq!(text.parse::<Augment>().unwrap().to_string(), text);
        }
        assert!("turn=3".parse::<Augment>().unwrap_err().contains("known: shift, rotate"));
        assert!("scale=2".parse::<Augment>().unwrap_err().contains("0..=0.9"));
        assert!("shift".parse::<Augment>().unwrap_err().contains("NAME=NUMBER"));
        assert!("shift=nan".parse::<Augment>().is_err());
    }
}
