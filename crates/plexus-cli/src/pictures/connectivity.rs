//! Three ways to connect inputs with outputs, drawn small, with what they cost.

use super::drawing::{Anchor, BLUE, Color, Drawing, INK, MUTED, Stroke, VERMILION};
use super::{COLUMN, Picture, SMALL, font, header};

/// One way, with its counts as they are written.
#[derive(Clone, Debug)]
pub struct Panel {
    /// Its name.
    pub name: &'static str,
    /// Parameters.
    pub weights: String,
    /// Multiply-adds for one sample.
    pub macs: String,
    /// Weights of one output.
    pub per_output: String,
}

const MARGIN: f32 = 24.0;
const TOP: f32 = 78.0;
const GAP: f32 = 15.0;
/// Of one of the three.
const WIDTH: f32 = (COLUMN - 2.0 * MARGIN - 2.0 * GAP) / 3.0;
const HEIGHT: f32 = 120.0;
/// Below the inputs: a name, and three counts of two lines each.
const NAME: f32 = 30.0;
const COUNT: f32 = 37.0;
const LINE: f32 = 15.0;
/// Dots of the inputs; a window is three of them.
const INPUTS: usize = 8;
const WINDOW: usize = 3;
const OUTPUTS: usize = INPUTS - WINDOW + 1;

/// Draws fully connected, locally connected and convolution side by side: eight inputs below, their outputs above, a line for
/// each weight. Lines of one color and dash are one weight.
pub fn connectivity(title: &str, panels: &[Panel; 3]) -> Picture {
    let mut drawing = Drawing::new(COLUMN, TOP + HEIGHT + NAME + 3.0 * COUNT + MARGIN, title);
    let subtitle = "lines are weights of a small example; in color: shared weights";
    header(&mut drawing, MARGIN, COLUMN - 2.0 * MARGIN, (title, "ways to connect"), subtitle);
    for (index, panel) in panels.iter().enumerate() {
        let left = MARGIN + (WIDTH + GAP) * index as f32;
        draw(&mut drawing, left, index, panel);
    }
    Picture::new(drawing)
}

fn draw(drawing: &mut Drawing, left: f32, way: usize, panel: &Panel) {
    let (above, below) = (TOP + 12.0, TOP + HEIGHT);
    let step = WIDTH / INPUTS as f32;
    let input = |at: usize| (left + step * (at as f32 + 0.5), below);
    let output = |at: usize| (left + step * (at as f32 + 0.5 * WINDOW as f32), above);
    for to in 0..OUTPUTS {
        let seen = if way == 0 { 0..INPUTS } else { to..to + WINDOW };
        for from in seen {
            let stroke = match way {
                2 => SHARED[from - to],
                _ => Stroke { color: MUTED, width: 0.8, dash: None },
            };
            drawing.line(vec![output(to), input(from)], stroke);
        }
    }
    for at in 0..INPUTS {
        let (x, y) = input(at);
        drawing.dot(x, y, 4.0, INK, 1.0);
    }
    for at in 0..OUTPUTS {
        let (x, y) = output(at);
        drawing.dot(x, y, 4.0, INK, 1.0);
    }
    let middle = left + 0.5 * WIDTH;
    let y = below + NAME;
    drawing.text(middle, y, 14.0, Anchor::Middle, INK, panel.name);
    let counts =
        [(&panel.weights, "parameters"), (&panel.per_output, "inputs for an output"), (&panel.macs, "multiply-adds")];
    for (index, (count, word)) in counts.into_iter().enumerate() {
        let y = y + COUNT * index as f32 + 22.0;
        drawing.text(middle, y, SMALL, Anchor::Middle, INK, &font::shorten(count, SMALL, WIDTH));
        drawing.text(middle, y + LINE, SMALL, Anchor::Middle, MUTED, word);
    }
}

const fn shared(color: Color, dash: Option<(f32, f32)>) -> Stroke {
    Stroke { color, width: 1.6, dash }
}

/// The weights of a window, apart by color and by dash.
const SHARED: [Stroke; WINDOW] = [shared(BLUE, None), shared(VERMILION, None), shared(MUTED, Some((4.0, 3.0)))];
