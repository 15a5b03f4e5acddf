//! The fields of a recorded layer.

use plexus_micro::{Multiplier, Rounding, ShiftRounding};
use serde_json::Value;
use std::fmt::Display;

/// The roundings of the power-of-two families, with the field that holds the outputs.
pub const SHIFTED: [(ShiftRounding, &str); 2] = [(ShiftRounding::HalfUp, "y"), (ShiftRounding::Floor, "y_truncate")];
/// The same of the affine families.
pub const SCALED: [(Rounding, &str); 2] = [(Rounding::Double, "y"), (Rounding::Single, "y_single_rounding")];
/// Larger layers are no cases but mistakes.
pub const MOST: usize = 1 << 24;

pub const BYTE: [i64; 2] = [-128, 127];
pub const HALF: [i64; 2] = [-32768, 32767];
pub const WORD: [i64; 2] = [i32::MIN as i64, i32::MAX as i64];

/// The whole numbers of a field, in lists of any depth.
pub fn list<T: TryFrom<i64>>(case: &Value, name: &str, [low, high]: [i64; 2]) -> Result<Vec<T>, String> {
    let mut found = Vec::new();
    let mut open = vec![case.get(name).ok_or_else(|| format!("\"{name}\" is missing"))?];
    while let Some(value) = open.pop() {
        match value {
            Value::Array(items) => open.extend(items.iter().rev()),
            one => {
                let number = one.as_i64().filter(|number| (low..=high).contains(number));
                let number = number.and_then(|number| T::try_from(number).ok());
                found.push(
                    number.ok_or_else(|| {
                        format!("{name} has {one}, but whole numbers from {low} to {high} are expected")
                    })?,
                );
            }
        }
    }
    Ok(found)
}

/// The one whole number of a field.
pub fn one<T: TryFrom<i64>>(case: &Value, name: &str, range: [i64; 2]) -> Result<T, String> {
    let mut found = list(case, name, range)?;
    match (found.pop(), found.is_empty()) {
        (Some(one), true) => Ok(one),
        _ => Err(format!("{name} must be one number")),
    }
}

/// The scales of a layer of so many outputs, which is what the messages call them.
pub fn scales(case: &Value, most: i64, outputs: usize, called: &str) -> Result<Vec<Multiplier>, String> {
    let (multipliers, shifts) =
        (list::<i32>(case, "mult", [0, i32::MAX.into()])?, list::<i32>(case, "shift", [-31, most])?);
    if multipliers.len() != shifts.len() || (multipliers.len() != 1 && multipliers.len() != outputs) {
        let (multipliers, shifts) = (multipliers.len(), shifts.len());
        return Err(format!(
            "mult has {multipliers} numbers and shift {shifts}, but 1 or {called} = {outputs} are needed"
        ));
    }
    let scales = multipliers.into_iter().zip(shifts);
    Ok(scales.map(|(multiplier, shift)| Multiplier::new(multiplier, shift)).collect())
}

/// The zero points of inputs and outputs.
pub fn zero_points(case: &Value) -> Result<[i32; 2], String> {
    Ok([-one::<i32>(case, "input_offset", [-255, 255])?, one(case, "output_offset", [-255, 255])?])
}

/// The smallest and the largest output.
pub fn clamp<T: TryFrom<i64> + Copy + PartialOrd + Display>(case: &Value, range: [i64; 2]) -> Result<[T; 2], String> {
    let [low, high] = [one(case, "lo", range)?, one(case, "hi", range)?];
    if low > high { Err(format!("lo is {low}, which is above hi, {high}")) } else { Ok([low, high]) }
}

/// The shifts of a bias and of a sum.
pub fn shifts(case: &Value) -> Result<[u32; 2], String> {
    Ok([one(case, "bias_shift", [0, 31])?, one(case, "out_shift", [0, 30])?])
}
