//! Every verb of every available instruction set against plain Rust, lane by lane.

use super::*;

struct Verbs<'a> {
    a: &'a [f32],
    b: &'a [f32],
}

/// The results of all two-operand verbs for the first sixteen pairs.
struct Results {
    values: Vec<(&'static str, Vec<f32>)>,
}

impl Vectorized for Verbs<'_> {
    type Output = Results;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Results {
        let mut values: Vec<(&'static str, Vec<f32>)> = Vec::new();
        macro_rules! verb {
            ($name:literal, $f:expr) => {{
                let mut out = vec![0.0; 16];
                for at in (0..16).step_by(S::LEN) {
                    let (a, b) = (s.load(&self.a[at..]), s.load(&self.b[at..]));
                    #[allow(clippy::redundant_closure_call)]
                    s.store($f(a, b), &mut out[at..]);
                }
                values.push(($name, out));
            }};
        }
        let (one, zero) = (s.splat(1.0), s.splat(0.0));
        verb!("add", |a, b| s.add(a, b));
        verb!("sub", |a, b| s.sub(a, b));
        verb!("mul", |a, b| s.mul(a, b));
        verb!("div", |a, b| s.div(a, b));
        verb!("max", |a, b| s.max(a, b));
        verb!("min", |a, b| s.min(a, b));
        verb!("round", |a, _| s.round(a));
        verb!("abs", |a, _| s.abs(a));
        verb!("sqrt", |a, _| s.sqrt(a));
        verb!("copysign", |a, b| s.copysign(a, b));
        verb!("lt", |a, b| s.select(s.lt(a, b), one, zero));
        verb!("le", |a, b| s.select(s.le(a, b), one, zero));
        verb!("eq", |a, b| s.select(s.eq(a, b), one, zero));
        verb!("pow2", |a, _| s.pow2(s.max(s.min(s.round(a), s.splat(127.0)), s.splat(-126.0))));
        Results { values }
    }
}

fn plain(name: &str, a: f32, b: f32) -> f32 {
    let truth = |yes: bool| if yes { 1.0 } else { 0.0 };
    match name {
        "add" => a + b,
        "sub" => a - b,
        "mul" => a * b,
        "div" => a / b,
        "max" => {
            if a > b {
                a
            } else {
                b
            }
        }
        "min" => {
            if a < b {
                a
            } else {
                b
            }
        }
        "round" => a.round_ties_even(),
        "abs" => a.abs(),
        "sqrt" => a.sqrt(),
        "copysign" => a.copysign(b),
        "lt" => truth(a < b),
        "le" => truth(a <= b),
        "eq" => truth(a == b),
        "pow2" => {
            let n = a.round_ties_even();
            // `max` and `min` return their second operand for NaN: 127 survives both.
            let n = if n.is_nan() { 127.0 } else { n.clamp(-126.0, 127.0) };
            2.0f32.powi(n as i32)
        }
        other => panic!("no verb {other}"),
    }
}

#[test]
fn every_verb_is_the_plain_one_lane_by_lane() {
    let special = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        1.5,
        2.5,
        -2.5,
        1e-40,
        -1e-40,
        1e38,
        -1e38,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
        126.7,
        -126.2,
        3.0,
        1e10,
    ];
    for isa in Isa::available() {
        for shift in 0..special.len() {
            let a: Vec<f32> = (0..16).map(|i| special[i % special.len()]).collect();
            let b: Vec<f32> = (0..16).map(|i| special[(i + shift) % special.len()]).collect();
            for (name, got) in isa.run(Verbs { a: &a, b: &b }).values {
                for i in 0..16 {
                    let want = plain(name, a[i], b[i]);
                    let same = got[i].to_bits() == want.to_bits() || (got[i].is_nan() && want.is_nan());
                    assert!(same, "{} {name}({}, {}) = {}, want {want}", isa.name(), a[i], b[i], got[i]);
                }
            }
        }
    }
}

#[test]
fn the_portable_instruction_set_is_always_there_and_the_best_is_available() {
    assert!(Isa::Portable.is_available());
    assert!(Isa::best().is_available());
}

struct Parts<'a> {
    from: &'a [f32],
    to: &'a mut [f32],
}

impl Vectorized for Parts<'_> {
    type Output = Vec<f32>;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Vec<f32> {
        let loaded = s.load_part(self.from, -7.0);
        s.store_part(loaded, self.to);
        let mut lanes = vec![0.0; S::LEN];
        s.store(loaded, &mut lanes);
        lanes
    }
}

#[test]
fn parts_of_a_vector_are_loaded_and_stored_without_their_neighbors() {
    let values: Vec<f32> = (1..=20).map(|i| i as f32).collect();
    for isa in Isa::available() {
        let lanes = isa.run(Parts { from: &[], to: &mut [] }).len();
        for len in 0..=lanes {
            let mut to = [0.5; 24];
            let got = isa.run(Parts { from: &values[3..3 + len], to: &mut to[2..2 + len] });
            assert_eq!(got[..len], values[3..3 + len], "{}", isa.name());
            assert!(got[len..].iter().all(|&lane| lane == -7.0), "{}", isa.name());
            assert_eq!(to[2..2 + len], values[3..3 + len], "{}", isa.name());
            assert!(to[..2].iter().chain(&to[2 + len..]).all(|&guard| guard == 0.5), "{}", isa.name());
        }
    }
}

#[test]
#[should_panic]
fn more_than_a_vector_is_refused() {
    Isa::best().run(Parts { from: &[0.0; 17], to: &mut [0.0; 17] });
}

struct Transposed<'a>([&'a [f32; 8]; 8]);

impl Vectorized for Transposed<'_> {
    type Output = [[f32; 8]; 8];
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> [[f32; 8]; 8] {
        s.transpose_8x8(self.0)
    }
}

#[test]
fn transposing_exchanges_rows_and_columns() {
    let square: [[f32; 8]; 8] = std::array::from_fn(|row| std::array::from_fn(|column| (10 * row + column) as f32));
    for isa in Isa::available() {
        let transposed = isa.run(Transposed(std::array::from_fn(|row| &square[row])));
        for (row, values) in transposed.iter().enumerate() {
            for (column, &value) in values.iter().enumerate() {
                assert_eq!(value, square[column][row], "{}", isa.name());
            }
        }
    }
}
