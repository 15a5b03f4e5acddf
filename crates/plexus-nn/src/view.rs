//! Numbers as a layer sees them: samples of one shape, of one type, in one layout.

use crate::layer::{Layout, Saved};
use crate::shape::Shape;
use bytemuck::Pod;
use plexus_kernels::Context;
use plexus_kernels::buffer::{Buffer, MatrixMut, for_each_tile};
use plexus_kernels::requantize::Scale;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The type of the numbers of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DType {
    /// 32-bit floats: what values between layers hold, but for those of [whole numbers](Quant).
    #[default]
    F32,
    /// Bytes: positions in a small window.
    U8,
    /// 32-bit whole numbers: positions in a map.
    U32,
    /// 8-bit signed whole numbers.
    I8,
    /// 16-bit signed whole numbers.
    I16,
    /// 32-bit signed whole numbers: biases.
    I32,
    /// 64-bit signed whole numbers: biases of 16-bit activations.
    I64,
}

impl DType {
    /// Bytes of one number.
    pub const fn size(self) -> usize {
        match self {
            DType::U8 | DType::I8 => 1,
            DType::I16 => 2,
            DType::F32 | DType::U32 | DType::I32 => 4,
            DType::I64 => 8,
        }
    }

    /// Its name, as in network files.
    pub const fn name(self) -> &'static str {
        match self {
            DType::F32 => "f32",
            DType::U8 => "u8",
            DType::U32 => "u32",
            DType::I8 => "i8",
            DType::I16 => "i16",
            DType::I32 => "i32",
            DType::I64 => "i64",
        }
    }

    /// The smallest and the largest whole number of this type; `None` for floats.
    pub const fn range(self) -> Option<[i64; 2]> {
        match self {
            DType::F32 => None,
            DType::U8 => Some([0, u8::MAX as i64]),
            DType::U32 => Some([0, u32::MAX as i64]),
            DType::I8 => Some([i8::MIN as i64, i8::MAX as i64]),
            DType::I16 => Some([i16::MIN as i64, i16::MAX as i64]),
            DType::I32 => Some([i32::MIN as i64, i32::MAX as i64]),
            DType::I64 => Some([i64::MIN, i64::MAX]),
        }
    }

    /// Whether a float is a number of this type.
    pub fn holds(self, number: f32) -> bool {
        match self.range() {
            None => true,
            // The ends of 64 bits are powers of two, or round to one, in this comparison.
            Some([low, high]) => {
                let number = f64::from(number);
                number.fract() == 0.0 && number >= low as f64 && number <= high as f64 && number < 2f64.powi(63)
            }
        }
    }
}

/// What whole numbers stand for: `value = (number − zero_point) · scale`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quant {
    /// [`DType::I8`] or [`DType::I16`].
    pub dtype: DType,
    /// The value of one step.
    pub scale: f32,
    /// The number that stands for zero.
    #[serde(default)]
    pub zero_point: i32,
}

impl Quant {
    /// Numbers of a type.
    pub fn new(dtype: DType, scale: f32, zero_point: i32) -> Self {
        Quant { dtype, scale, zero_point }
    }

    /// The smallest and the largest number.
    pub fn range(&self) -> [i32; 2] {
        match self.dtype {
            DType::I8 => [-128, 127],
            _ => [-32768, 32767],
        }
    }

    /// What a number stands for.
    #[inline]
    pub fn value(&self, number: i32) -> f32 {
        (number - self.zero_point) as f32 * self.scale
    }

    /// The number that stands nearest to a value, halves away from zero; the last one for values beyond the range, and the zero point
    /// for NaN.
    #[inline]
    pub fn number(&self, value: f32) -> i32 {
        self.scale().number(value, self.range())
    }

    /// The same for the kernels.
    pub(crate) fn scale(&self) -> Scale {
        Scale { scale: self.scale, zero_point: self.zero_point }
    }

    /// How far the fraction goes, where the scale is a power of two and zero stands for zero: 7 for the scale 2⁻⁷.
    pub fn fraction_bits(&self) -> Option<i32> {
        let bits = self.scale.to_bits();
        let whole_power = bits & 0x007f_ffff == 0 && bits >> 23 != 0;
        (whole_power && self.zero_point == 0).then(|| 127 - (bits >> 23) as i32)
    }

    /// In messages: `i8 numbers of scale 0.02 and zero point -128`.
    pub fn describe(&self) -> String {
        let Quant { dtype, scale, zero_point } = self;
        format!("{} numbers of scale {scale} and zero point {zero_point}", dtype.name())
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
    /// What they stand for, where they are whole numbers that stand for values.
    pub quant: Option<Quant>,
    bytes: &'a [u8],
}

impl<'a> View<'a> {
    /// Samples of `f32`.
    pub fn of(shape: &'a Shape, layout: Layout, values: &'a [f32]) -> Self {
        View { shape, layout, dtype: DType::F32, quant: None, bytes: bytemuck::cast_slice(values) }
    }

    pub(crate) fn of_bytes(shape: &'a Shape, layout: Layout, dtype: DType, bytes: &'a [u8]) -> Self {
        View { shape, layout, dtype, quant: None, bytes }
    }

    /// Numbers that stand for values.
    pub(crate) fn of_quant(shape: &'a Shape, layout: Layout, quant: Option<Quant>, bytes: &'a [u8]) -> Self {
        View { shape, layout, dtype: quant.map_or(DType::F32, |quant| quant.dtype), quant, bytes }
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

    /// The numbers, of type [`DType::I8`].
    pub fn i8(&self) -> &'a [i8] {
        assert_eq!(self.dtype, DType::I8);
        cast(self.bytes)
    }

    /// The numbers, of type [`DType::I16`].
    pub fn i16(&self) -> &'a [i16] {
        assert_eq!(self.dtype, DType::I16);
        cast(self.bytes)
    }

    /// The numbers as they are in memory, whatever their type.
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The values: the numbers themselves, or what they [stand for](Quant).
    pub fn values(&self) -> Cow<'a, [f32]> {
        let Some(quant) = self.quant else { return Cow::Borrowed(self.f32()) };
        match quant.dtype {
            DType::I8 => self.i8().iter().map(|number| quant.value(i32::from(*number))).collect(),
            _ => self.i16().iter().map(|number| quant.value(i32::from(*number))).collect(),
        }
    }

    /// The numbers as they are, whole ones too, channels first.
    pub fn numbers(&self) -> Cow<'a, [f32]> {
        let plain = View { quant: self.quant.map(|quant| Quant { scale: 1.0, zero_point: 0, ..quant }), ..*self };
        plain.channels_first()
    }

    /// The numbers as they are in memory, in a layout.
    pub(crate) fn bytes_in(&self, layout: Layout) -> Buffer<u8> {
        let mut to = Buffer::from_slice(self.bytes);
        if let (&[channels, height, width], true) = (self.shape.axes(), self.layout != layout) {
            let size = match self.layout {
                Layout::ChannelsFirst => (channels, height * width),
                Layout::ChannelsLast => (height * width, channels),
            };
            let view = ViewMut { shape: self.shape, layout, dtype: self.dtype, quant: self.quant, bytes: &mut to };
            transpose_views(*self, size, view, &Context::single());
        }
        to
    }

    /// The values as they are told outside of a plan: channels first.
    pub fn channels_first(&self) -> Cow<'a, [f32]> {
        self.in_layout(Layout::ChannelsFirst)
    }

    /// The values in a layout.
    pub fn in_layout(&self, layout: Layout) -> Cow<'a, [f32]> {
        let from = self.values();
        let &[channels, height, width] = self.shape.axes() else { return from };
        if self.layout == layout {
            return from;
        }
        let (rows, cols) = match self.layout {
            Layout::ChannelsFirst => (channels, height * width),
            Layout::ChannelsLast => (height * width, channels),
        };
        let mut values = vec![0.0; from.len()];
        let sample = (rows * cols).max(1);
        for (from, to) in from.chunks_exact(sample).zip(values.chunks_exact_mut(sample)) {
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
    /// What they stand for, where they are whole numbers that stand for values.
    pub quant: Option<Quant>,
    bytes: &'a mut [u8],
}

impl<'a> ViewMut<'a> {
    /// Samples of `f32`.
    pub fn of(shape: &'a Shape, layout: Layout, values: &'a mut [f32]) -> Self {
        ViewMut { shape, layout, dtype: DType::F32, quant: None, bytes: bytemuck::cast_slice_mut(values) }
    }

    pub(crate) fn of_bytes(shape: &'a Shape, layout: Layout, dtype: DType, bytes: &'a mut [u8]) -> Self {
        ViewMut { shape, layout, dtype, quant: None, bytes }
    }

    /// Numbers that stand for values.
    pub(crate) fn of_quant(shape: &'a Shape, layout: Layout, quant: Option<Quant>, bytes: &'a mut [u8]) -> Self {
        ViewMut { shape, layout, dtype: quant.map_or(DType::F32, |quant| quant.dtype), quant, bytes }
    }

    /// What a layer saves, in memory that is taken for it.
    ///
    /// # Panics
    /// Where the memory is too short.
    pub fn saved(shape: &'a Shape, saved: Saved, rows: usize, memory: &'a mut [f32]) -> Self {
        let bytes = &mut bytemuck::cast_slice_mut(memory)[..saved.bytes(rows)];
        ViewMut { shape, layout: Layout::ChannelsFirst, dtype: saved.dtype, quant: None, bytes }
    }

    /// The same, to be read from now on.
    pub fn into_view(self) -> View<'a> {
        View { shape: self.shape, layout: self.layout, dtype: self.dtype, quant: self.quant, bytes: self.bytes }
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

    /// The numbers, of type [`DType::I8`].
    pub fn into_i8(self) -> &'a mut [i8] {
        assert_eq!(self.dtype, DType::I8);
        cast_mut(self.bytes)
    }

    /// The numbers, of type [`DType::I16`].
    pub fn into_i16(self) -> &'a mut [i16] {
        assert_eq!(self.dtype, DType::I16);
        cast_mut(self.bytes)
    }

    /// The numbers as they are in memory, whatever their type.
    pub(crate) fn into_bytes(self) -> &'a mut [u8] {
        self.bytes
    }

    /// The same, to be read.
    pub fn view(&self) -> View<'_> {
        View { shape: self.shape, layout: self.layout, dtype: self.dtype, quant: self.quant, bytes: self.bytes }
    }

    /// The same for a shorter time.
    pub fn again(&mut self) -> ViewMut<'_> {
        ViewMut { shape: self.shape, layout: self.layout, dtype: self.dtype, quant: self.quant, bytes: self.bytes }
    }
}

/// Bytes as numbers. Nothing may lie at any address.
fn cast<T: Pod>(bytes: &[u8]) -> &[T] {
    if bytes.is_empty() { &[] } else { bytemuck::cast_slice(bytes) }
}

fn cast_mut<T: Pod>(bytes: &mut [u8]) -> &mut [T] {
    if bytes.is_empty() { &mut [] } else { bytemuck::cast_slice_mut(bytes) }
}

/// Writes the transpose of each of some `rows` by `cols` matrices of numbers of any type.
pub(crate) fn transpose_views(from: View<'_>, size: (usize, usize), to: ViewMut<'_>, context: &Context) {
    match from.dtype {
        DType::I8 => transpose_all(from.i8(), size, to.into_i8(), context),
        DType::I16 => transpose_all(from.i16(), size, to.into_i16(), context),
        _ => transpose_all(from.f32(), size, to.into_f32(), context),
    }
}

/// Writes the transpose of each of some `rows` by `cols` matrices, one behind the other.
pub(crate) fn transpose_all<T: Copy + Send + Sync>(
    from: &[T],
    (rows, cols): (usize, usize),
    to: &mut [T],
    context: &Context,
) {
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
pub(crate) fn transpose<T: Copy>(from: &[T], rows: usize, cols: usize, to: &mut [T]) {
    for (row, values) in from.chunks_exact(cols.max(1)).enumerate() {
        for (col, &value) in values.iter().enumerate() {
            to[col * rows + row] = value;
        }
    }
}
