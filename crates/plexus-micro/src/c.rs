//! The same functions as C99 source, for programs that cannot take Rust: text, not compiled with this crate.
//!
//! [`PIECES`] are single functions and types, in an order in which a compiler can read them. A file with those that a program calls, and
//! those that these call, is complete: it needs `<stdint.h>` and `<stddef.h>` alone, no memory but its arguments and the stack, no floats.
//! All functions are `static`.
//!
//! A function of this crate is called `plexus_` and its name there, with the same meaning and the same bits. What are slices here are
//! pointers, with sizes as the last arguments; what panics here is not checked there. Generic functions carry the type in their name:
//! `max_pool_s8` and `max_pool_s16`, likewise `clamp`, `pad` and `concat`.

/// A function or a type in C.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    /// Its name, without `plexus_` before it.
    pub name: &'static str,
    /// Its source.
    pub text: &'static str,
}

impl Piece {
    /// The names of the pieces that this one uses.
    pub fn uses(&self) -> impl Iterator<Item = &'static str> {
        let (text, own) = (self.text, self.name);
        text.match_indices(PREFIX).filter_map(move |(at, _)| {
            let rest = &text[at + PREFIX.len()..];
            let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(rest.len());
            (rest[..end] != *own).then_some(&rest[..end])
        })
    }
}

/// What the names of all functions and types begin with.
const PREFIX: &str = "plexus_";

/// The line that begins a piece: this and its name.
const MARK: &[u8] = b"\n//: ";

/// Pieces of a file use only pieces before them, of their own file or of others.
const FILES: [&str; 12] = [
    include_str!("../c/base.c"),
    include_str!("../c/rounding.c"),
    include_str!("../c/dot.c"),
    include_str!("../c/fully_connected.c"),
    include_str!("../c/interleaved.c"),
    include_str!("../c/window.c"),
    include_str!("../c/conv.c"),
    include_str!("../c/conv_transpose.c"),
    include_str!("../c/pool.c"),
    include_str!("../c/elementwise.c"),
    include_str!("../c/softmax.c"),
    include_str!("../c/learn.c"),
];

/// All pieces, each behind those that it uses. The first one includes the headers and belongs to every file.
pub static PIECES: [Piece; COUNT] = cut();

/// The pieces of these names and all that they use, in the order in which they have to stand.
///
/// # Panics
/// Where there is no piece of a name.
///
/// # Examples
/// ```
/// let names: Vec<&str> = plexus_micro::c::with_uses(&["dot_s4"]).map(|piece| piece.name).collect();
/// assert_eq!(names, ["headers", "nibble", "dot_s4"]);
/// ```
pub fn with_uses(names: &[&str]) -> impl Iterator<Item = &'static Piece> {
    let mut wanted = [false; COUNT];
    wanted[0] = true;
    for name in names {
        let found = PIECES.iter().position(|piece| piece.name == *name);
        wanted[found.unwrap_or_else(|| panic!("there is no piece {name}"))] = true;
    }
    // Uses stand before what uses them: when a piece is reached, all that use it have been.
    for index in (0..COUNT).rev() {
        if wanted[index] {
            for name in PIECES[index].uses() {
                let used = PIECES[..index].iter().position(|piece| piece.name == name);
                wanted[used.unwrap_or_else(|| panic!("no piece {name} before {}", PIECES[index].name))] = true;
            }
        }
    }
    PIECES.iter().zip(wanted).filter_map(|(piece, wanted)| wanted.then_some(piece))
}

/// Where the next piece of a file begins, from a place on.
const fn next_mark(file: &[u8], mut at: usize) -> Option<usize> {
    while at + MARK.len() <= file.len() {
        let mut same = 0;
        while same < MARK.len() && file[at + same] == MARK[same] {
            same += 1;
        }
        if same == MARK.len() {
            return Some(at);
        }
        at += 1;
    }
    None
}

const COUNT: usize = {
    let (mut count, mut file) = (0, 0);
    while file < FILES.len() {
        let mut at = 0;
        while let Some(mark) = next_mark(FILES[file].as_bytes(), at) {
            count += 1;
            at = mark + MARK.len();
        }
        file += 1;
    }
    count
};

const fn cut() -> [Piece; COUNT] {
    let mut pieces = [Piece { name: "", text: "" }; COUNT];
    let (mut index, mut file) = (0, 0);
    while file < FILES.len() {
        let mut mark = next_mark(FILES[file].as_bytes(), 0);
        while let Some(at) = mark {
            let (_, from_name) = FILES[file].split_at(at + MARK.len());
            let mut end = 0;
            while from_name.as_bytes()[end] != b'\n' {
                end += 1;
            }
            let (name, text) = from_name.split_at(end);
            mark = next_mark(FILES[file].as_bytes(), at + MARK.len());
            // Up to the next mark, without the empty line before it.
            let len = match mark {
                Some(next) => next - at - MARK.len() - end,
                None => text.len(),
            };
            let (text, _) = text.split_at(len);
            let (_, text) = text.split_at(1);
            pieces[index] = Piece { name, text };
            index += 1;
        }
        file += 1;
    }
    pieces
}
