//! Numbers as a layer sees them: samples of one shape, of one type, in one layout.

use crate::layer::{Layout, Saved};
use crate::shape::Shape;
use bytemuck::Pod;
use plexus_kernels::Context;
use plexus_kernels::buffer::{MatrixMut, for_each_tile};
use std::borrow::Cow;

/// The type of the numbers of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DType {
    /// 32-bit floats: what values between layers hold.
    #[default]
    F32,
    /// Bytes: positions in a small window.
    U8,
    /// 32-bit whole numbers: positions in a map.
    U32,
}

impl DType {
    /// Bytes of one number.
    pub const fn size(self) -> usize {
        match self {
            DType::U8 => 1,
            DType::F32 | DType::U32 => 4,
        }
    }
}

/// Some samples, to be read.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Of one sample.
    pub shape: &'a Shape,
    /// Where that matters: of maps.
    pub layout: Layout,
    /// The type of the numbers.
    pub dtype: DType,
    bytes: &'a [u8],
}

impl<'a> View<'a> {
    /// Samples of `f32`.
    pub fn of(shape: &'a Shape, layout: Layout, values: &'a [f32]) -> Self {
        View { shape, layout, dtype: DType::F32, bytes: bytemuck::cast_slice(values) }
    }

    pub(crate) fn of_bytes(shape: &'a Shape, layout: Layout, dtype: DType, bytes: &'a [u8]) -> Self {
        View { shape, layout, dtype, bytes }
    }

    /// The numbers.
    ///
    /// # Panics
    /// Where they are of another type: the network check has proved that they are not.
    #[inline]
    pub fn f32(&self) -> &'a [f32] {
        assert_eq!(self.dtype, DType::F32);
        cast(self.bytes)
    }

    /// The numbers, of type [`DType::U8`].
    pub fn u8(&self) -> &'a [u8] {
        assert_eq!(self.dtype, DType::U8);
        self.bytes
    }

    /// The numbers, of type [`DType::U32`].
    pub fn u32(&self) -> &'a [u32] {
        assert_eq!(self.dtype, DType::U32);
        cast(self.bytes)
    }

    /// The numbers as they are told outside of a plan: channels first.
    pub fn channels_first(&self) -> Cow<'a, [f32]> {
        self.in_layout(Layout::ChannelsFirst)
    }

    /// The numbers in a layout.
    pub fn in_layout(&self, layout: Layout) -> Cow<'a, [f32]> {
        let &[channels, height, width] = self.shape.axes() else { return Cow::Borrowed(self.f32()) };
        if self.layout == layout {
            return Cow::Borrowed(self.f32());
        }
        let (rows, cols) = match self.layout {
            Layout::ChannelsFirst => (channels, height * width),
            Layout::ChannelsLast => (height * width, channels),
        };
        let mut values = vec![0.0; self.f32().len()];
        let sample = (rows * cols).max(1);
        for (from, to) in self.f32().chunks_exact(sample).zip(values.chunks_exact_mut(sample)) {
            transpose(from, rows, cols, to);
        }
        Cow::Owned(values)
    }
}

/// Some samples, to be written.
#[derive(Debug)]
pub struct ViewMut<'a> {
    /// Of one sample.
    pub shape: &'a Shape,
    /// Where that matters: of maps.
    pub layout: Layout,
    /// The type of the numbers.
    pub dtype: DType,
    bytes: &'a mut [u8],
}

impl<'a> ViewMut<'a> {
    /// Samples of `f32`.
    pub fn of(shape: &'a Shape, layout: Layout, values: &'a mut [f32]) -> Self {
        ViewMut { shape, layout, dtype: DType::F32, bytes: bytemuck::cast_slice_mut(values) }
    }

    pub(crate) fn of_bytes(shape: &'a Shape, layout: Layout, dtype: DType, bytes: &'a mut [u8]) -> Self {
        ViewMut { shape, layout, dtype, bytes }
    }

    /// What a layer saves, in memory that is taken for it.
    ///
    /// # Panics
    /// Where the memory is too short.
    pub fn saved(shape: &'a Shape, saved: Saved, rows: usize, memory: &'a mut [f32]) -> Self {
        let bytes = &mut bytemuck::cast_slice_mut(memory)[..saved.bytes(rows)];
        ViewMut { shape, layout: Layout::ChannelsFirst, dtype: saved.dtype, bytes }
    }

    /// The same, to be read from now on.
    pub fn into_view(self) -> View<'a> {
        View { shape: self.shape, layout: self.layout, dtype: self.dtype, bytes: self.bytes }
    }

    /// The numbers.
    ///
    /// # Panics
    /// Where they are of another type.
    #[inline]
    pub fn f32(&mut self) -> &mut [f32] {
        assert_eq!(self.dtype, DType::F32);
        cast_mut(self.bytes)
    }

    /// The numbers, for as long as they may be written.
    #[inline]
    pub fn into_f32(self) -> &'a mut [f32] {
        assert_eq!(self.dtype, DType::F32);
        cast_mut(self.bytes)
    }

    /// The numbers, of type [`DType::U8`].
    pub fn into_u8(self) -> &'a mut [u8] {
        assert_eq!(self.dtype, DType::U8);
        self.bytes
    }

    /// The numbers, of type [`DType::U32`].
    pub fn into_u32(self) -> &'a mut [u32] {
        assert_eq!(self.dtype, DType::U32);
        cast_mut(self.bytes)
    }

    /// The same, to be read.
    pub fn view(&self) -> View<'_> {
        View { shape: self.shape, layout: self.layout, dtype: self.dtype, bytes: self.bytes }
    }

    /// The same for a shorter time.
    pub fn again(&mut self) -> ViewMut<'_> {
        ViewMut { shape: self.shape, layout: self.layout, dtype: self.dtype, bytes: self.bytes }
    }
}

/// Bytes as numbers. Nothing may lie at any address.
fn cast<T: Pod>(bytes: &[u8]) -> &[T] {
    if bytes.is_empty() { &[] } else { bytemuck::cast_slice(bytes) }
}

fn cast_mut<T: Pod>(bytes: &mut [u8]) -> &mut [T] {
    if bytes.is_empty() { &mut [] } else { bytemuck::cast_slice_mut(bytes) }
}

/// Writes the transpose of each of some `rows` by `cols` matrices, one behind the other.
pub(crate) fn transpose_all(from: &[f32], (rows, cols): (usize, usize), to: &mut [f32], context: &Context) {
    let len = rows * cols;
    if len == 0 {
        return;
    }
    let matrix = MatrixMut { rows: to.len() / len, values: to, cols: len, stride: len };
    for_each_tile(matrix, (1, len), context.pool(), |sample, _, mut tile| {
        transpose(&from[sample * len..][..len], rows, cols, tile.row(0));
    });
}

/// Writes the transpose of a `rows` by `cols` matrix.
pub(crate) fn transpose(from: &[f32], rows: usize, cols: usize, to: &mut [f32]) {
    for (row, values) in from.chunks_exact(cols.max(1)).enumerate() {
        for (col, &value) in values.iter().enumerate() {
            to[col * rows + row] = value;
        }
    }
}
