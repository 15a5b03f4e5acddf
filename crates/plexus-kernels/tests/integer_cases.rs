//! Every case of `testdata/integer/cases.json`, bit for bit, on every row of the integer kernels that this machine runs.
//!
//! The cases are adversarial fully connected layers: ties, saturation, sums that wrap, dimensions from 1 to 129, the
//! power-of-two forms with their interleaved weights and their truncating variant, int8 affine with one scale and one a
//! channel, and int16 activations with 8-bit weights.

use plexus_kernels::Context;
use plexus_kernels::buffer::MatrixMut;
use plexus_kernels::gemm_i8::{self, GemmI8, Input, Interleaved, Offsets};
use plexus_kernels::gemm_i16::{self, Bias, GemmI16, Values};
use plexus_kernels::requantize::{Multiplier, Requantize, RequantizeWide, ShiftRounding, shift_bias};
use plexus_kernels::threads::Pool;
use std::collections::HashMap;

/// As much of JSON as the file has.
#[derive(Debug)]
enum Json {
    Number(i64),
    Text(String),
    List(Vec<Json>),
    Fields(HashMap<String, Json>),
}

impl Json {
    fn parse(text: &[u8], at: &mut usize) -> Json {
        let skip = |at: &mut usize| {
            while text[*at].is_ascii_whitespace() || text[*at] == b',' || text[*at] == b':' {
                *at += 1;
            }
        };
        skip(at);
        match text[*at] {
            b'[' => {
                *at += 1;
                let mut list = Vec::new();
                loop {
                    skip(at);
                    if text[*at] == b']' {
                        *at += 1;
                        return Json::List(list);
                    }
                    list.push(Json::parse(text, at));
                }
            }
            b'{' => {
                *at += 1;
                let mut fields = HashMap::new();
                loop {
                    skip(at);
                    if text[*at] == b'}' {
                        *at += 1;
                        return Json::Fields(fields);
                    }
                    let Json::Text(name) = Json::parse(text, at) else { panic!("a name at {at}") };
                    fields.insert(name, Json::parse(text, at));
                }
            }
            b'"' => {
                let start = *at + 1;
                *at = start + text[start..].iter().position(|&c| c == b'"').expect("the text ends");
                *at += 1;
                Json::Text(String::from_utf8(text[start..*at - 1].to_vec()).expect("the file is UTF-8"))
            }
            _ => {
                let start = *at;
                while text[*at] == b'-' || text[*at].is_ascii_digit() {
                    *at += 1;
                }
                let number = std::str::from_utf8(&text[start..*at]).expect("digits are UTF-8");
                Json::Number(number.parse().expect("whole numbers only"))
            }
        }
    }

    /// All numbers inside, in order.
    fn numbers(&self, into: &mut Vec<i64>) {
        match self {
            Json::Number(number) => into.push(*number),
            Json::List(list) => list.iter().for_each(|item| item.numbers(into)),
            other => panic!("{other:?} is no list of numbers"),
        }
    }
}

struct Case(HashMap<String, Json>);

impl Case {
    fn list<T: TryFrom<i64>>(&self, name: &str) -> Vec<T>
    where
        T::Error: std::fmt::Debug,
    {
        let mut numbers = Vec::new();
        self.0[name].numbers(&mut numbers);
        numbers.into_iter().map(|number| T::try_from(number).expect("the number fits its type")).collect()
    }

    fn one<T: TryFrom<i64>>(&self, name: &str) -> T
    where
        T::Error: std::fmt::Debug,
    {
        self.list(name).pop().expect("one number")
    }

    fn family(&self) -> &str {
        let Json::Text(family) = &self.0["family"] else { panic!("a family is text") };
        family
    }

    fn multipliers(&self) -> Vec<Multiplier> {
        let (multipliers, shifts) = (self.list::<i32>("mult"), self.list::<i32>("shift"));
        multipliers.into_iter().zip(shifts).map(|(multiplier, shift)| Multiplier::new(multiplier, shift)).collect()
    }
}

fn cases() -> Vec<Case> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/integer/cases.json");
    let text = std::fs::read(path).expect("the case file is part of the repository");
    let Json::List(cases) = Json::parse(&text, &mut 0) else { panic!("a list of cases") };
    let fields = |case| if let Json::Fields(fields) = case { Case(fields) } else { panic!("a case has fields") };
    cases.into_iter().map(fields).collect()
}

fn packed<T: Copy>(layout: Interleaved, weight: &[T], rows: usize, cols: usize) -> Vec<T> {
    let mut packed = weight.to_vec();
    layout.pack(weight, [rows, cols], &mut packed);
    packed
}

fn unpacked<T: Copy>(layout: Interleaved, packed: &[T], rows: usize, cols: usize) -> Vec<T> {
    let mut weight = packed.to_vec();
    layout.unpack(packed, [rows, cols], &mut weight);
    weight
}

/// The power-of-two forms in their two roundings, with the field that holds the outputs.
const FORMS: [(ShiftRounding, &str); 2] = [(ShiftRounding::HalfUp, "y"), (ShiftRounding::Floor, "y_truncate")];

/// Runs bytes times bytes on every row; outputs in order.
fn run_i8(weight: gemm_i8::Weight<'_>, input: &[i8], requantize: &Requantize, want: &[i8], what: &str) {
    let (n, k) = (weight.out_features, weight.in_features);
    let m = input.len() / k;
    for kernel in gemm_i8::KERNELS.iter().filter(|kernel| kernel.isa.is_available()) {
        let packed = gemm_i8::Packed::new(weight, &Context::new(kernel.isa, Pool::single()));
        let mut y = vec![0i8; m * n];
        let output = MatrixMut { values: &mut y, rows: m, cols: n, stride: n };
        let output = gemm_i8::Output::I8(output, requantize);
        let call = GemmI8 { input: Input::I8(input), weight: &packed, output };
        gemm_i8::gemm_i8(call, &mut gemm_i8::Scratch::default(), &Context::single());
        assert_eq!(y, want, "{kernel:?} {what}");
    }
}

enum Mode<'a> {
    Narrow(&'a Requantize),
    Wide(&'a RequantizeWide),
}

/// Runs 16-bit activations on every row.
fn run_i16(weight: gemm_i16::Weight<'_>, input: &[i16], mode: &Mode<'_>, want: &[i16], what: &str) {
    let (n, k) = (weight.out_features, weight.in_features);
    let m = input.len() / k;
    for kernel in gemm_i16::KERNELS.iter().filter(|kernel| kernel.isa.is_available()) {
        let packed = gemm_i16::Packed::new(weight, &Context::new(kernel.isa, Pool::single()));
        let mut y = vec![0i16; m * n];
        let output = MatrixMut { values: &mut y, rows: m, cols: n, stride: n };
        let output = match mode {
            Mode::Narrow(requantize) => gemm_i16::Output::I16(output, requantize),
            Mode::Wide(requantize) => gemm_i16::Output::I16FromWide(output, requantize),
        };
        let call = GemmI16 { input: gemm_i16::Input::Rows(input), weight: &packed, output };
        gemm_i16::gemm_i16(call, &mut gemm_i16::Scratch::default(), &Context::single());
        assert_eq!(y, want, "{kernel:?} {what}");
    }
}

#[test]
fn every_case_has_its_bits_on_every_row() {
    let cases = cases();
    assert_eq!(cases.len(), 180);
    for (index, case) in cases.iter().enumerate() {
        let (n, k) = (case.one::<usize>("n"), case.one::<usize>("d"));
        let what = &format!("case {index}, {} {n} x {k}", case.family());
        match case.family() {
            "q7" => {
                let (w, x) = (case.list::<i8>("w"), case.list::<i8>("x"));
                let bias = shift_bias(case.list::<i8>("bias"), case.one("bias_shift"));
                let optimized = unpacked(Interleaved::Q7, &case.list::<i8>("w_opt"), n, k);
                assert_eq!(packed(Interleaved::Q7, &w, n, k), case.list::<i8>("w_opt"), "{what}");
                for (rounding, y) in FORMS {
                    let requantize = Requantize::power_of_two(case.one("out_shift"), rounding);
                    for values in [&w, &optimized] {
                        let (bias, offsets) = (Some(&bias[..]), Offsets::default());
                        let weight = gemm_i8::Weight { values, out_features: n, in_features: k, bias, offsets };
                        run_i8(weight, &x, &requantize, &case.list(y), what);
                    }
                }
            }
            "q15" | "q7_q15" => {
                let x = case.list::<i16>("x");
                let bias = shift_bias(case.list::<i16>("bias"), case.one("bias_shift"));
                let bias = Bias::I32(Some(&bias));
                for (rounding, y) in FORMS {
                    let requantize = &Requantize::power_of_two(case.one("out_shift"), rounding);
                    let run = |values| {
                        let weight = gemm_i16::Weight { values, out_features: n, in_features: k, bias };
                        run_i16(weight, &x, &Mode::Narrow(requantize), &case.list(y), what);
                    };
                    if case.family() == "q15" {
                        let (w, optimized) = (case.list::<i16>("w"), case.list::<i16>("w_opt"));
                        assert_eq!(packed(Interleaved::Q15, &w, n, k), optimized, "{what}");
                        run(Values::I16(&w));
                        run(Values::I16(&unpacked(Interleaved::Q15, &optimized, n, k)));
                    } else {
                        let (w, optimized) = (case.list::<i8>("w"), case.list::<i8>("w_opt"));
                        assert_eq!(packed(Interleaved::Q7ForQ15, &w, n, k), optimized, "{what}");
                        run(Values::I8(&w));
                        run(Values::I8(&unpacked(Interleaved::Q7ForQ15, &optimized, n, k)));
                    }
                }
            }
            "s8" | "s8_per_channel" => {
                let (w, x, bias) = (case.list::<i8>("w"), case.list::<i8>("x"), case.list::<i32>("bias"));
                let offsets = Offsets { input_zero_point: -case.one::<i32>("input_offset"), weight_zero_point: 0 };
                let bias = Some(&bias[..]);
                let weight = gemm_i8::Weight { values: &w, out_features: n, in_features: k, bias, offsets };
                let scales = case.multipliers();
                for (requantize, y) in [
                    (Requantize::double_rounding(&scales), "y"),
                    (Requantize::single_rounding(&scales), "y_single_rounding"),
                ] {
                    let requantize = requantize
                        .with_zero_point(case.one("output_offset"))
                        .with_clamp(case.one("lo")..=case.one("hi"));
                    run_i8(weight, &x, &requantize, &case.list(y), what);
                }
            }
            "s16x8" => {
                let (w, x, bias) = (case.list::<i8>("w"), case.list::<i16>("x"), case.list::<i64>("bias"));
                let (values, bias) = (Values::I8(&w), Bias::I64(Some(&bias)));
                let weight = gemm_i16::Weight { values, out_features: n, in_features: k, bias };
                let requantize = RequantizeWide::new(&case.multipliers());
                run_i16(weight, &x, &Mode::Wide(&requantize), &case.list("y"), what);
                // The same sums from 16-bit weights.
                let w: Vec<i16> = w.iter().map(|&w| i16::from(w)).collect();
                let weight = gemm_i16::Weight { values: Values::I16(&w), ..weight };
                run_i16(weight, &x, &Mode::Wide(&requantize), &case.list("y"), what);
            }
            other => panic!("no test for the family {other}"),
        }
    }
}
