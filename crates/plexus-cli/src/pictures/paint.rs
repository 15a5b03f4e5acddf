//! Paints the list of marks: the PNG form of a picture.

use super::PictureError;
use super::drawing::{Anchor, Color, Drawing, Mark, PAGE, Stroke, Theme};
use super::font;
use super::truetype::Segment;
use tiny_skia::{FillRule, LineJoin, Paint, Path, PathBuilder, Pixmap, Rect, StrokeDash, Transform};

/// Paints a drawing at `scale` pixels a point and encodes it.
///
/// # Errors
/// [`PictureError::ScaleOutOfRange`] when the image has no pixels, [`PictureError::Encode`] from the encoder.
pub(super) fn png(drawing: &Drawing, scale: f32, theme: Theme) -> Result<Vec<u8>, PictureError> {
    let (width, height) = (drawing.width * scale, drawing.height * scale);
    let mut image = Pixmap::new(width.round() as u32, height.round() as u32).ok_or(PictureError::ScaleOutOfRange {
        scale,
        width: drawing.width,
        height: drawing.height,
    })?;
    // A fraction of a pixel at the right or lower edge is not covered by the page: nothing may shine through.
    let [red, green, blue] = PAGE.in_theme(theme);
    image.fill(tiny_skia::Color::from_rgba8(red, green, blue, 255));
    for mark in &drawing.marks {
        paint_mark(&mut image, mark, Transform::from_scale(scale, scale), theme);
    }
    (image.encode_png()).map_err(|error| PictureError::Encode { reason: error.to_string() })
}

fn paint_mark(image: &mut Pixmap, mark: &Mark, to_pixels: Transform, theme: Theme) {
    let paint = |color, opacity| paint(color, opacity, theme);
    match mark {
        Mark::Rect { x, y, width, height, fill } => {
            if let Some(rect) = Rect::from_xywh(*x, *y, *width, *height) {
                image.fill_rect(rect, &paint(*fill, 1.0), to_pixels, None);
            }
        }
        Mark::Line { points, stroke } => {
            if let Some(path) = line(points) {
                let style = style(stroke);
                image.stroke_path(&path, &paint(stroke.color, 1.0), &style, to_pixels, None);
            }
        }
        Mark::Dot { x, y, radius, fill, opacity } => {
            if let Some(path) = PathBuilder::from_circle(*x, *y, *radius) {
                let paint = paint(*fill, *opacity);
                image.fill_path(&path, &paint, FillRule::Winding, to_pixels, None);
            }
        }
        Mark::Text { x, y, size, anchor, angle, fill, text } => {
            let start = match anchor {
                Anchor::Start => 0.0,
                Anchor::Middle => -0.5 * font::width(text, *size),
                Anchor::End => -font::width(text, *size),
            };
            let placed =
                (to_pixels.pre_translate(*x, *y)).pre_concat(Transform::from_rotate(*angle)).pre_translate(start, 0.0);
            let paint = paint(*fill, 1.0);
            let scale = font::points_per_unit(*size);
            font::outlines(text, *size, |pen, segments| {
                if let Some(path) = letter(segments, pen, scale) {
                    image.fill_path(&path, &paint, FillRule::Winding, placed, None);
                }
            });
        }
    }
}

fn paint(color: Color, opacity: f32, theme: Theme) -> Paint<'static> {
    let [red, green, blue] = color.in_theme(theme);
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    paint.set_color_rgba8(red, green, blue, (opacity.clamp(0.0, 1.0) * 255.0).round() as u8);
    paint
}

fn line(points: &[(f32, f32)]) -> Option<Path> {
    let (&(x, y), rest) = points.split_first()?;
    let mut path = PathBuilder::new();
    path.move_to(x, y);
    for &(x, y) in rest {
        path.line_to(x, y);
    }
    path.finish()
}

fn style(stroke: &Stroke) -> tiny_skia::Stroke {
    tiny_skia::Stroke {
        width: stroke.width,
        line_join: LineJoin::Round,
        dash: (stroke.dash).and_then(|(dash, gap)| StrokeDash::new(vec![dash, gap], 0.0)),
        ..tiny_skia::Stroke::default()
    }
}

/// Builds the path of one letter at its pen position; the font's y axis points upwards.
fn letter(segments: &[Segment], pen: f32, scale: f32) -> Option<Path> {
    let x = |units: f32| pen + units * scale;
    let y = |units: f32| -units * scale;
    let mut path = PathBuilder::new();
    for segment in segments {
        match *segment {
            Segment::Move(to_x, to_y) => path.move_to(x(to_x), y(to_y)),
            Segment::Line(to_x, to_y) => path.line_to(x(to_x), y(to_y)),
            Segment::Quad(bend_x, bend_y, to_x, to_y) => {
                path.quad_to(x(bend_x), y(bend_y), x(to_x), y(to_y));
            }
            Segment::Close => path.close(),
        }
    }
    path.finish()
}
