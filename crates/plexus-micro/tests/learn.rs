//! A readout learns new classes from a few examples, and an example changes no more than it has to.

mod dice;

use dice::{BYTE, Dice, HALF};
use plexus_micro::Readout;

/// The scores as the formula says, with sums of unlimited size.
fn scores(weight: &[i16], features: &[i64], zero_point: i64, one: i64) -> Vec<i128> {
    let row = |row: &[i16]| {
        let (weights, bias) = row.split_at(features.len());
        let products = features.iter().zip(weights).map(|(x, w)| i128::from(x - zero_point) * i128::from(*w));
        products.sum::<i128>() + i128::from(one) * i128::from(bias[0])
    };
    weight.chunks_exact(features.len() + 1).map(row).collect()
}

#[test]
fn an_example_brings_its_class_ahead_by_the_margin_and_leaves_the_others() {
    let dice = &mut Dice(3);
    let (mut changed, mut kept) = (0, 0);
    for round in 0..400 {
        let wide = round % 2 == 1;
        let (range, one) = if wide { (HALF, 32768) } else { (BYTE, 128) };
        let (features, classes) = (dice.of(1, 60) as usize, dice.of(2, 6) as usize);
        let x: Vec<i64> = (0..features).map(|_| dice.of(range[0], range[1])).collect();
        let before: Vec<i16> = dice.list(classes * (features + 1), [-3000, 3000]);
        let zero_point = dice.of(range[0], range[1]);
        let (class, margin) = (dice.of(0, classes as i64 - 1) as usize, dice.of(1, 1000) * one * 100);
        let mut weight = before.clone();
        let mut readout = Readout { weight: &mut weight, classes, zero_point: zero_point as i32, margin };
        let did = match wide {
            true => readout.learn_s16(&x.iter().map(|x| *x as i16).collect::<Vec<_>>(), class),
            false => readout.learn_s8(&x.iter().map(|x| *x as i8).collect::<Vec<_>>(), class),
        };
        let (old, new) = (scores(&before, &x, zero_point, one), scores(&weight, &x, zero_point, one));
        let other = (0..classes).filter(|at| *at != class).rev().max_by_key(|at| old[*at]).unwrap();
        assert_eq!(did, old[class] - old[other] < i128::from(margin));
        for at in (0..classes).filter(|at| !did || (*at != class && *at != other)) {
            let row = at * (features + 1)..(at + 1) * (features + 1);
            assert_eq!(weight[row.clone()], before[row], "class {at} has nothing to do with it");
        }
        if !did {
            kept += 1;
            continue;
        }
        changed += 1;
        if weight.iter().all(|weight| weight.unsigned_abs() < 32767) {
            // Each step is rounded by at most a half, in both rows.
            let most: i64 = x.iter().map(|x| (x - zero_point).abs()).sum::<i64>() + one;
            let far = (new[class] - new[other] - i128::from(margin)).abs();
            assert!(far <= i128::from(most), "{far} of {most}");
        }
    }
    assert!(changed > 100 && kept > 20, "{changed} {kept}");
}

#[test]
fn weights_saturate_and_one_class_has_nothing_to_learn() {
    let mut weight = [32000, -32000, 0, 0];
    let mut readout = Readout { weight: &mut weight, classes: 2, zero_point: 0, margin: 1 << 44 };
    assert!(readout.learn_s8(&[127], 0));
    assert_eq!(weight, [32767, 32767, -32768, -32768]);
    let mut weight = [1, 2];
    assert!(!Readout { weight: &mut weight, classes: 1, zero_point: 0, margin: 9 }.learn_s8(&[3], 0));
    assert_eq!(weight, [1, 2]);
}

#[test]
fn new_classes_are_learnt_from_twenty_examples_each() {
    // Four clouds of points: the weights know the first two.
    let dice = &mut Dice(11);
    let mut cloud = |class: usize| -> [i8; 16] {
        core::array::from_fn(|at| (dice.of(-30, 30) + if at % 4 == class { 60 } else { -20 }) as i8)
    };
    let mut weight = [0i16; 4 * 17];
    for class in 0..2 {
        for at in 0..16 {
            weight[class * 17 + at] = if at % 4 == class { 1000 } else { -300 };
        }
    }
    let right = |readout: &Readout<'_>, cloud: &mut dyn FnMut(usize) -> [i8; 16]| -> usize {
        (0..400).filter(|round| readout.classify_s8(&cloud(round % 4)) == round % 4).count()
    };
    let mut readout = Readout { weight: &mut weight, classes: 4, zero_point: -128, margin: 100_000 };
    let before = right(&readout, &mut cloud);
    for round in 0..40 {
        let class = 2 + round % 2;
        readout.learn_s8(&cloud(class), class);
    }
    let after = right(&readout, &mut cloud);
    assert!(before <= 300 && after >= 380, "{before} and then {after} of 400");
}
