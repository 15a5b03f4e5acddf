//! The recorded cases of the repository.

use plexus_micro::{Multiplier, ShiftRounding};
use serde_json::Value;

/// The power-of-two forms in their two roundings, with the field that holds the outputs.
pub const ROUNDINGS: [(ShiftRounding, &str); 2] = [(ShiftRounding::HalfUp, "y"), (ShiftRounding::Floor, "y_truncate")];

/// The numbers of a field, however deep in lists.
pub fn list<T: TryFrom<i64>>(case: &Value, name: &str) -> Vec<T> {
    fn numbers(value: &Value, into: &mut Vec<i64>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| numbers(item, into)),
            one => into.push(one.as_i64().expect("a whole number")),
        }
    }
    let mut found = Vec::new();
    numbers(&case[name], &mut found);
    found.into_iter().map(|number| T::try_from(number).ok().expect("it fits its type")).collect()
}

/// The only number of a field.
pub fn one<T: TryFrom<i64>>(case: &Value, name: &str) -> T {
    list(case, name).pop().expect("one number")
}

/// All cases, of fully connected layers.
pub fn cases() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/integer/cases.json");
    let text = std::fs::read_to_string(path).expect("the case file is part of the repository");
    serde_json::from_str(&text).expect("a list of cases")
}

/// The scales of a case.
pub fn scales(case: &Value) -> Vec<Multiplier> {
    let parts = list::<i32>(case, "mult").into_iter().zip(list::<i32>(case, "shift"));
    parts.map(|(multiplier, shift)| Multiplier::new(multiplier, shift)).collect()
}
