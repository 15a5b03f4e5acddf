use super::*;
use crate::isa::Isa;
use crate::threads::Pool;

fn init(seed: u64) -> Random {
    Random::new(seed, Stream::Init, [0, 0])
}

#[test]
fn the_bits_never_change() {
    let mut random = init(1);
    let words = [random.next_u32(), random.next_u32(), random.next_u32()];
    let mut uniform = [0.0; 3];
    random.uniform(-1.0, 1.0, &mut uniform);
    let mut normal = [0.0; 3];
    random.normal(0.0, 1.0, &mut normal);
    let mut order = [0, 1, 2, 3, 4, 5, 6, 7];
    random.shuffle(&mut order);
    // Computed apart, by a plain ChaCha8 and the formulas of the documentation.
    assert_eq!(words, [1_489_600_331, 1_011_583_306, 2_319_271_736]);
    assert_eq!(uniform.map(f32::to_bits), [1_059_639_468, 3_207_451_688, 3_161_925_504]);
    assert_eq!(normal.map(f32::to_bits), [1_066_367_144, 3_211_390_884, 1_063_520_927]);
    assert_eq!(order, [0, 3, 7, 5, 2, 1, 4, 6]);
}

#[test]
fn sequences_differ_by_seed_purpose_and_index_and_repeat() {
    let first = |seed, stream, indices| Random::new(seed, stream, indices).next_u64();
    let all = [
        first(1, Stream::Init, [0, 0]),
        first(2, Stream::Init, [0, 0]),
        first(1, Stream::Shuffle, [0, 0]),
        first(1, Stream::Dropout, [0, 0]),
        first(1, Stream::Split, [0, 0]),
        first(1, Stream::Init, [1, 0]),
        first(1, Stream::Init, [0, 1]),
    ];
    assert!((1..all.len()).all(|i| !all[..i].contains(&all[i])));
    assert_eq!(first(1, Stream::Init, [0, 0]), all[0]);
}

#[test]
fn a_sequence_continues_from_its_position() {
    for taken in [0, 1, 15, 16, 17, 63, 64, 65, 1000] {
        let mut random = init(3);
        for _ in 0..taken {
            random.next_u32();
        }
        assert_eq!(random.position(), taken);
        let mut again = init(3);
        again.set_position(taken);
        assert!((0..200).all(|_| random.next_u32() == again.next_u32()));
    }
}

#[test]
fn uniform_numbers_are_in_range_and_have_the_right_moments() {
    let mut values = vec![0.0; 100_000];
    init(5).uniform(-0.25, 0.75, &mut values);
    assert!(values.iter().all(|v| (-0.25..0.75).contains(v)));
    let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / 1e5;
    let variance = values.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / 1e5;
    assert!((mean - 0.25).abs() < 0.005 && (variance - 1.0 / 12.0).abs() < 0.001, "{mean} {variance}");
    // Where rounding would reach the upper end, it does not.
    init(5).uniform(1.0, 1.0f32.next_up(), &mut values);
    assert!(values.iter().all(|&v| v == 1.0));
    init(5).uniform(2.0, 2.0, &mut values);
    assert!(values.iter().all(|&v| v == 2.0));
}

#[test]
fn normal_numbers_have_the_right_moments_and_tails() {
    let count = 200_001;
    let mut values = vec![0.0; count];
    init(6).normal(3.0, 2.0, &mut values);
    let z: Vec<f64> = values.iter().map(|&v| (f64::from(v) - 3.0) / 2.0).collect();
    let moment = |power: i32| z.iter().map(|z| z.powi(power)).sum::<f64>() / count as f64;
    assert!(moment(1).abs() < 0.01 && (moment(2) - 1.0).abs() < 0.02);
    assert!(moment(3).abs() < 0.03 && (moment(4) - 3.0).abs() < 0.1);
    let beyond_two = z.iter().filter(|z| z.abs() > 2.0).count() as f64 / count as f64;
    assert!((beyond_two - 0.0455).abs() < 0.002, "{beyond_two}");
}

#[test]
fn the_logarithm_sine_and_cosine_of_the_pair_are_right() {
    for i in 1..=10_000 {
        let x = f64::from(i) / 10_000.0;
        for x in [x, x * 1e-9] {
            assert!((gauss::ln(x) - x.ln()).abs() < 2e-15 * (1.0 + x.ln().abs()), "{x}");
        }
        let (sin, cos) = gauss::sin_cos_turns(x - 1e-4);
        let angle = (x - 1e-4) * std::f64::consts::TAU;
        assert!((sin - angle.sin()).abs() < 2e-15 && (cos - angle.cos()).abs() < 2e-15, "{x}");
    }
    // The extreme words give finite numbers.
    for a in [0, u64::MAX] {
        for b in [0, u64::MAX] {
            assert!(gauss::pair(a, b).iter().all(|z| z.abs() < 9.0));
        }
    }
}

#[test]
fn bounded_numbers_are_even() {
    let mut random = init(7);
    let mut counts = [0; 7];
    (0..70_000).for_each(|_| counts[random.below(7) as usize] += 1);
    assert!(counts.iter().all(|count| (9_600..10_400).contains(count)), "{counts:?}");
    assert_eq!(random.below(1), 0);
}

#[test]
fn a_shuffle_is_a_permutation_and_every_place_is_equally_likely() {
    let mut counts = [[0; 4]; 4];
    for seed in 0..8000 {
        let mut order = [0, 1, 2, 3];
        init(seed).shuffle(&mut order);
        for (place, &value) in order.iter().enumerate() {
            counts[place][value as usize] += 1;
        }
        order.sort_unstable();
        assert_eq!(order, [0, 1, 2, 3]);
    }
    assert!(counts.iter().flatten().all(|count| (1800..2200).contains(count)), "{counts:?}");
    init(0).shuffle::<u32>(&mut []);
}

#[test]
fn a_dropout_mask_does_not_depend_on_the_threads_and_is_the_reference() {
    for len in [0, 1, 17, 16 * 1024 + 1, 70_003] {
        for probability in [0.0, 0.1, 0.5, 1.0] {
            let want = reference::dropout_mask(9, 2, 5, probability, len);
            for (isa, threads) in Isa::available().flat_map(|isa| [(isa, 1), (isa, 2), (isa, 7)]) {
                let mut mask = vec![-77.0; len + 2];
                dropout_mask(9, (2, 5), probability, &mut mask[1..=len], &Context::new(isa, Pool::new(threads)));
                assert!(mask[1..=len] == want[..], "{len} {probability} {isa:?} {threads}");
                assert_eq!((mask[0], mask[len + 1]), (-77.0, -77.0));
            }
            if len == 70_003 {
                let dropped = want.iter().filter(|&&m| m == 0.0).count() as f64 / len as f64;
                assert!((dropped - f64::from(probability)).abs() < 0.01);
            }
        }
    }
    let mask = |layer, step| reference::dropout_mask(9, layer, step, 0.5, 100);
    assert!(mask(0, 1) != mask(1, 0) && mask(0, 0) != mask(0, 1));
}

#[test]
#[should_panic(expected = "between 0 and 1")]
fn a_probability_above_one_is_refused() {
    dropout_mask(0, (0, 0), 1.5, &mut [0.0], &Context::single());
}
