//! A network as a figure: a box for each layer with weights, what follows it written beside it, skips as arrows.
//!
//! Three layouts, from the graph alone: a U where maps become smaller and larger again and each skip stays among maps of one
//! size; a column with the skips beside it where there are other skips; else one column, or two when it is long. All are at most
//! as wide that the smallest letters are six points where the figure is a column of a paper.

mod boxes;
mod shape_of_u;

#[cfg(test)]
pub(super) mod tests;

use super::drawing::{Anchor, BLUE, Color, Drawing, INK, MUTED, PAGE, Stroke, VERMILION};
use super::{COLUMN, Picture, SMALL, font, header};
use boxes::{Form, Node, boxes};
use plexus::explain::Family;
use plexus_nn::CheckedNetwork;
use shape_of_u::shape_of_u;
use std::collections::BTreeMap;

const MARGIN: f32 = 24.0;
const TOP: f32 = 94.0;
/// Between two boxes: an arrow.
const GAP: f32 = 15.0;
/// Of a box of two lines, and of one line.
const TALL: f32 = 40.0;
const THIN: f32 = 21.0;
/// Of a page with one column of boxes; the widest is a column of a paper.
const NARROW: f32 = 330.0;
/// Between two columns.
const BETWEEN: f32 = 20.0;
/// More boxes of layers than this in one column are two columns.
const MOST_IN_A_COLUMN: usize = 10;
/// Between two skips that go side by side, at most, and the room of all.
const LANE: f32 = 12.0;
const LANES: f32 = 96.0;
/// Between the frame of a box and its letters.
const INSET: f32 = 7.5;
/// Half the width of the head of an arrow.
const HEAD: f32 = 3.5;
const ARROW: Stroke = Stroke { color: MUTED, width: 1.3, dash: None };

/// Draws a network; `totals` stands below its title.
pub fn network(title: &str, totals: &str, network: &CheckedNetwork) -> Picture {
    let nodes = boxes(network);
    if let Some(levels) = shape_of_u(&nodes) {
        return levels.draw(title, totals, &nodes);
    }
    let skips = skips(&nodes);
    let layers = nodes.iter().filter(|node| node.form == Form::Layer).count();
    if skips.is_empty() && layers > MOST_IN_A_COLUMN {
        two_columns(title, totals, &nodes)
    } else {
        one_column(title, totals, &nodes, &skips)
    }
}

/// A box on the page.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Place {
    left: f32,
    top: f32,
    width: f32,
    height: f32,
}

impl Place {
    fn right(self) -> f32 {
        self.left + self.width
    }

    fn bottom(self) -> f32 {
        self.top + self.height
    }

    fn center(self) -> f32 {
        self.left + 0.5 * self.width
    }

    fn middle(self) -> f32 {
        self.top + 0.5 * self.height
    }
}

fn height(node: &Node) -> f32 {
    if node.form == Form::Layer { TALL } else { THIN }
}

/// What is read from further away than the box in front: from, to.
fn skips(nodes: &[Node]) -> Vec<(usize, usize)> {
    let all = nodes.iter().enumerate().flat_map(|(to, node)| node.reads.iter().map(move |from| (*from, to)));
    all.filter(|(from, to)| from + 1 != *to).collect()
}

/// Places boxes from the top down, strips at the box above, and returns where the next one would begin.
fn stack<'a>(nodes: impl Iterator<Item = &'a Node>, left: f32, width: f32, top: f32, places: &mut Vec<Place>) -> f32 {
    let mut y = top;
    for (index, node) in nodes.enumerate() {
        if node.form == Form::Strip && index > 0 {
            y -= GAP;
        }
        let height = height(node);
        places.push(Place { left, top: y, width, height });
        y += height + GAP;
    }
    y
}

fn one_column(title: &str, totals: &str, nodes: &[Node], skips: &[(usize, usize)]) -> Picture {
    let lanes = lanes(skips);
    let count = lanes.iter().map(|lane| lane + 1).max().unwrap_or(0);
    let step = LANE.min(LANES / count.max(1) as f32);
    let room = if count == 0 { 0.0 } else { 8.0 + step * count as f32 };
    let mut places = Vec::new();
    let bottom = stack(nodes.iter(), MARGIN, NARROW - 2.0 * MARGIN, TOP, &mut places) - GAP;
    let mut drawing = page(NARROW + room, bottom + MARGIN, (title, totals), nodes);
    for ((from, to), lane) in skips.iter().zip(&lanes) {
        // What leaves a box is below what enters it, so that lines which end and begin there stay apart.
        let (from, to) = (places[*from], places[*to]);
        let x = from.right() + 8.0 + step * (*lane as f32 + 0.5);
        let (leave, enter) = (from.top + 0.7 * from.height, to.top + 0.3 * to.height);
        arrow(&mut drawing, vec![(from.right(), leave), (x, leave), (x, enter), (to.right(), enter)]);
    }
    draw(&mut drawing, nodes, &places);
    downwards(&mut drawing, nodes, &places, |_| true);
    Picture::new(drawing)
}

/// The lane of each skip: skips from one box share theirs, others that go past the same box do not; short ones near the boxes.
fn lanes(skips: &[(usize, usize)]) -> Vec<usize> {
    let mut farthest: BTreeMap<usize, usize> = BTreeMap::new();
    for (from, to) in skips {
        let end = farthest.entry(*from).or_insert(*to);
        *end = (*end).max(*to);
    }
    let mut by_length: Vec<(usize, usize)> = farthest.into_iter().collect();
    by_length.sort_by_key(|(from, to)| (to - from, *from));
    let mut taken: Vec<Vec<(usize, usize)>> = Vec::new();
    let mut lane_of = BTreeMap::new();
    for (from, to) in by_length {
        let is_free = |lane: &Vec<(usize, usize)>| lane.iter().all(|other| to <= other.0 || other.1 <= from);
        let lane = taken.iter().position(is_free).unwrap_or(taken.len());
        if lane == taken.len() {
            taken.push(Vec::new());
        }
        taken[lane].push((from, to));
        lane_of.insert(from, lane);
    }
    skips.iter().map(|(from, _)| lane_of[from]).collect()
}

fn two_columns(title: &str, totals: &str, nodes: &[Node]) -> Picture {
    let all: f32 = nodes.iter().map(|node| height(node) + if node.form == Form::Strip { 0.0 } else { GAP }).sum();
    let mut seen = 0.0;
    let mut halves = nodes.iter().map(|node| {
        seen += height(node) + if node.form == Form::Strip { 0.0 } else { GAP };
        seen < 0.5 * all
    });
    let mut half = halves.position(|is_first| !is_first).unwrap_or(nodes.len()) + 1;
    while nodes.get(half).is_some_and(|node| node.form == Form::Strip) {
        half += 1;
    }
    let (first, second) = nodes.split_at(half.min(nodes.len()));
    let width = 0.5 * (COLUMN - 2.0 * MARGIN - BETWEEN);
    let mut places = Vec::new();
    let left = stack(first.iter(), MARGIN, width, TOP, &mut places);
    let right = stack(second.iter(), MARGIN + width + BETWEEN, width, TOP, &mut places);
    let mut drawing = page(COLUMN, left.max(right) - GAP + MARGIN, (title, totals), nodes);
    draw(&mut drawing, nodes, &places);
    downwards(&mut drawing, nodes, &places, |index| index != half);
    if nodes.get(half).is_some_and(|node| node.reads.contains(&(half - 1))) {
        let (from, to) = (places[half - 1], places[half]);
        let x = 0.5 * (from.right() + to.left);
        arrow(
            &mut drawing,
            vec![(from.right(), from.middle()), (x, from.middle()), (x, to.middle()), (to.left, to.middle())],
        );
    }
    Picture::new(drawing)
}

/// An empty page with its heading and what the colors mean.
fn page(width: f32, height: f32, (title, totals): (&str, &str), nodes: &[Node]) -> Drawing {
    let mut drawing = Drawing::new(width, height, title);
    header(&mut drawing, MARGIN, width - 2.0 * MARGIN, (title, ""), totals);
    let mut x = MARGIN;
    for (color, name) in [(BLUE, "convolution"), (VERMILION, "fully connected"), (MUTED, "other")] {
        if nodes.iter().any(|node| of_family(node.family) == color) {
            drawing.rect(x, TOP - 28.0, 10.0, 10.0, color);
            drawing.text(x + 14.0, TOP - 19.0, SMALL, Anchor::Start, MUTED, name);
            x += 26.0 + font::width(name, SMALL);
        }
    }
    drawing
}

fn of_family(family: Family) -> Color {
    match family {
        Family::Convolution => BLUE,
        Family::FullyConnected => VERMILION,
        _ => MUTED,
    }
}

fn draw(drawing: &mut Drawing, nodes: &[Node], places: &[Place]) {
    for (node, place) in nodes.iter().zip(places) {
        paint(drawing, node, *place);
    }
}

/// A frame, and in it the name and the shape, below them the kinds and the parameters.
fn paint(drawing: &mut Drawing, node: &Node, place: Place) {
    let Place { left, top, width, height } = place;
    let color = of_family(node.family);
    drawing.rect(left, top, width, height, PAGE.mix(color, 0.75));
    let fill = PAGE.mix(color, if node.form == Form::Layer { 0.16 } else { 0.1 });
    drawing.rect(left + 1.0, top + 1.0, width - 2.0, height - 2.0, fill);
    if node.form == Form::Layer {
        drawing.rect(left, top, 4.0, height, color);
    }
    let room = width - 2.0 * INSET;
    let mut line = |middle: f32, [start, end]: [&str; 2], [color, end_color]: [Color; 2]| {
        let end = font::shorten(end, SMALL, 0.6 * room);
        let taken = if end.is_empty() { 0.0 } else { font::width(&end, SMALL) + 6.0 };
        let start = font::shorten(start, SMALL, room - taken);
        let baseline = middle + SMALL * font::HALF_DIGIT;
        drawing.text(left + INSET, baseline, SMALL, Anchor::Start, color, &start);
        drawing.text(left + width - INSET, baseline, SMALL, Anchor::End, end_color, &end);
    };
    if node.form == Form::Layer {
        line(top + 12.5, [&node.name, &node.shape], [INK, INK]);
        line(top + height - 12.0, [&node.kinds, &node.params], [MUTED, INK]);
        return;
    }
    let words = one_line(node, room - font::width(&node.shape, SMALL) - 6.0);
    line(place.middle(), [&words, &node.shape], [if node.form == Form::Strip { MUTED } else { INK }, INK]);
}

/// The name and the kinds; less of the kinds where there is no room.
fn one_line(node: &Node, room: f32) -> String {
    if node.kinds.is_empty() {
        return node.name.clone();
    }
    // In a box that is gray and hangs on another, `max 2x2` is a pooling.
    let short = node.kinds.replace("_pool2d", "").replace("_pool1d", "");
    let first = short.split(", ").next().unwrap_or_default();
    let forms = [&node.kinds, &short, first].map(|kinds| format!("{}  {kinds}", node.name));
    let fits = forms.iter().find(|form| font::width(form, SMALL) <= room);
    fits.unwrap_or(&node.name).clone()
}

/// Arrows from each box to the one below it that reads it.
fn downwards(drawing: &mut Drawing, nodes: &[Node], places: &[Place], wanted: impl Fn(usize) -> bool) {
    for (index, node) in nodes.iter().enumerate().skip(1) {
        if node.form != Form::Strip && node.reads.contains(&(index - 1)) && wanted(index) {
            let (from, to) = (places[index - 1], places[index]);
            arrow(drawing, vec![(from.center(), from.bottom()), (to.center(), to.top)]);
        }
    }
}

/// A line with a head at its last point; its last part goes along an axis.
fn arrow(drawing: &mut Drawing, points: Vec<(f32, f32)>) {
    let [.., (from_x, from_y), (x, y)] = points[..] else { return };
    let (along_x, along_y) = match (x - from_x, y - from_y) {
        (across, _) if across.abs() > 0.01 => (across.signum(), 0.0),
        (_, along) => (0.0, along.signum()),
    };
    let foot = (x - 1.5 * HEAD * along_x, y - 1.5 * HEAD * along_y);
    let wing = |side: f32| (foot.0 + side * HEAD * along_y, foot.1 + side * HEAD * along_x);
    drawing.line(points, ARROW);
    drawing.line(vec![wing(-1.0), (x, y), wing(1.0)], ARROW);
}
