//! The U: smaller and smaller maps on the left, larger and larger ones on the right, skips straight across.

use super::boxes::{Form, Node};
use super::{BETWEEN, COLUMN, GAP, MARGIN, Picture, Place, TOP, arrow, draw, page, skips, stack};

/// The boxes of one size of maps.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Level {
    /// On the way down, in order.
    down: Vec<usize>,
    /// On the way up, in order.
    up: Vec<usize>,
    /// The skip across: from, to.
    skip: Option<(usize, usize)>,
}

/// The levels of a U from the largest maps to the smallest; the last has all of its boxes on the way down.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Levels(Vec<Level>);

/// Sorts the boxes by the size of their maps, if that gives a U.
pub(super) fn shape_of_u(nodes: &[Node]) -> Option<Levels> {
    let level_of = levels(nodes)?;
    let deepest = *level_of.iter().max()?;
    let (begin, end) =
        (level_of.iter().position(|level| *level == deepest)?, level_of.iter().rposition(|level| *level == deepest)?);
    let (down, rest) = level_of.split_at(begin);
    let (bottom, up) = rest.split_at(end + 1 - begin);
    let goes_down = down.is_sorted() && bottom.iter().all(|level| *level == deepest);
    if deepest == 0 || up.is_empty() || !goes_down || !up.is_sorted_by(|one, next| one >= next) {
        return None;
    }
    // On the way up the box in front is below, where no strip can hang on it.
    if nodes[end + 1..].iter().any(|node| node.form == Form::Strip) {
        return None;
    }
    let mut levels = vec![Level::default(); deepest + 1];
    for (index, level) in level_of.iter().enumerate() {
        let level = &mut levels[*level];
        if index <= end { level.down.push(index) } else { level.up.push(index) }
    }
    for skip in skips(nodes) {
        let (from, to) = skip;
        let level = &mut levels[level_of[from]];
        let is_across = from < begin && to > end && level_of[to] == level_of[from];
        if !is_across || level.skip.replace(skip).is_some() {
            return None;
        }
    }
    let has_skip = levels.iter().any(|level| level.skip.is_some());
    // A level that is jumped over would be a hole in the page.
    let has_left = levels.iter().all(|level| !level.down.is_empty());
    (has_skip && has_left).then_some(Levels(levels))
}

/// How often the maps of each box were halved; none unless every box reads the one in front of it.
fn levels(nodes: &[Node]) -> Option<Vec<usize>> {
    let mut levels = vec![0];
    // A pooling stands with the maps that it reads.
    let mut level = 0usize;
    for (index, pair) in nodes.windows(2).enumerate() {
        let [before, node] = pair else { return None };
        let (from, to) = (before.rows?, node.rows?);
        if !node.reads.contains(&index) {
            return None;
        }
        if 2 * to >= 3 * from {
            level = level.checked_sub(1)?;
        } else if 3 * from >= 5 * to {
            level += 1;
            levels.push(if node.form == Form::Strip { level - 1 } else { level });
            continue;
        }
        levels.push(level);
    }
    Some(levels)
}

impl Levels {
    pub(super) fn draw(&self, title: &str, totals: &str, nodes: &[Node]) -> Picture {
        let width = 0.5 * (COLUMN - 2.0 * MARGIN - BETWEEN);
        let right = MARGIN + width + BETWEEN;
        let mut places = vec![Place { left: 0.0, top: 0.0, width: 0.0, height: 0.0 }; nodes.len()];
        let mut top = TOP;
        let (bottom, sides) = self.0.split_last().expect("a U has levels");
        for level in sides {
            let mut end = top;
            let mut side = |boxes: &[usize], left: f32, top: f32| {
                let mut found = Vec::new();
                end = end.max(stack(boxes.iter().map(|index| &nodes[*index]), left, width, top, &mut found));
                boxes.iter().zip(found).for_each(|(index, place)| places[*index] = place);
            };
            // The way up is read from below.
            let upwards: Vec<usize> = level.up.iter().rev().copied().collect();
            let (mut lower_left, mut lower_right) = (0.0, 0.0);
            if let Some((from, to)) = level.skip {
                let above = |boxes: &[usize], skip: usize| {
                    let mut found = Vec::new();
                    stack(boxes.iter().map(|index| &nodes[*index]), 0.0, width, 0.0, &mut found);
                    found[boxes.iter().position(|index| *index == skip).expect("it is there")].middle()
                };
                let (left, right) = (above(&level.down, from), above(&upwards, to));
                (lower_left, lower_right) = ((right - left).max(0.0), (left - right).max(0.0));
            }
            side(&level.down, MARGIN, top + lower_left);
            side(&upwards, right, top + lower_right);
            top = end;
        }
        let mut found = Vec::new();
        let middle = 0.5 * (COLUMN - width);
        let below = bottom.down.iter().map(|index| &nodes[*index]);
        let end = stack(below, middle, width, top, &mut found) - GAP;
        bottom.down.iter().zip(found).for_each(|(index, place)| places[*index] = place);
        let mut drawing = page(COLUMN, end + MARGIN, (title, totals), nodes);
        draw(&mut drawing, nodes, &places);
        for (from, to) in sides.iter().filter_map(|level| level.skip) {
            let (from, to) = (places[from], places[to]);
            arrow(&mut drawing, vec![(from.right(), to.middle()), (to.left, to.middle())]);
        }
        for (index, pair) in places.windows(2).enumerate() {
            let (from, to) = (pair[0], pair[1]);
            let hangs = nodes[index + 1].form == Form::Strip && (from.bottom() - to.top).abs() < 0.01;
            match () {
                () if hangs => {}
                // Into the bottom and out of it around a corner.
                () if from.left < to.left && to.left < right => {
                    arrow(
                        &mut drawing,
                        vec![(from.center(), from.bottom()), (from.center(), to.middle()), (to.left, to.middle())],
                    );
                }
                () if from.left < to.left => {
                    arrow(
                        &mut drawing,
                        vec![(from.right(), from.middle()), (to.center(), from.middle()), (to.center(), to.bottom())],
                    );
                }
                () if from.top < to.top => {
                    arrow(&mut drawing, vec![(from.center(), from.bottom()), (to.center(), to.top)])
                }
                () => arrow(&mut drawing, vec![(from.center(), from.top), (to.center(), to.bottom())]),
            }
        }
        Picture::new(drawing)
    }
}
