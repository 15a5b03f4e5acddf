use super::*;

/// All sixteen-bit patterns.
fn patterns() -> Vec<u16> {
    (0..=u16::MAX).collect()
}

#[test]
fn sixteen_bit_formats_decode_as_the_reference_and_survive_a_round_trip() {
    let patterns = patterns();
    let single = Pool::single();
    for isa in Isa::available() {
        let (mut half, mut bfloat) = (vec![0.0; patterns.len()], vec![0.0; patterns.len()]);
        f16_to_f32_on(isa, &patterns, &mut half, &single);
        bf16_to_f32_on(isa, &patterns, &mut bfloat, &single);
        let (mut half_back, mut bfloat_back) = (vec![0; patterns.len()], vec![0; patterns.len()]);
        f32_to_f16_on(isa, &half, &mut half_back, &single);
        f32_to_bf16_on(isa, &bfloat, &mut bfloat_back, &single);
        for (i, &bits) in patterns.iter().enumerate() {
            for (got, back, exponent_bits) in [(half[i], half_back[i], 5), (bfloat[i], bfloat_back[i], 8)] {
                let want = reference::decode(bits, exponent_bits);
                if want.is_nan() {
                    assert!(got.is_nan() && reference::decode(back, exponent_bits).is_nan(), "{bits:x}");
                } else {
                    assert_eq!(f64::from(got).to_bits(), want.to_bits(), "{bits:x}");
                    assert_eq!(back, bits);
                }
            }
        }
    }
}

#[test]
fn rounding_to_sixteen_bits_takes_the_nearest_and_even_at_ties() {
    type Narrow = fn(&[f32], &mut [u16], &Pool);
    let formats: [(Narrow, u32, u16); 2] = [(f32_to_f16, 5, 0x7c00), (f32_to_bf16, 8, 0x7f80)];
    for (narrow, exponent_bits, infinity) in formats {
        for bits in (0..infinity - 1).step_by(37).chain(0..40).chain(infinity - 40..infinity - 1) {
            let (below, above) = (reference::decode(bits, exponent_bits), reference::decode(bits + 1, exponent_bits));
            let middle = ((below + above) / 2.0) as f32;
            let even = bits + bits % 2;
            let inputs = [middle, middle.next_down(), middle.next_up(), -middle];
            let mut got = [0; 4];
            narrow(&inputs, &mut got, &Pool::single());
            assert_eq!(got, [even, bits, bits + 1, even | 0x8000], "{bits:x} {exponent_bits}");
        }
        let mut got = [0; 4];
        narrow(&[f32::MAX, f32::INFINITY, -f32::MAX, 1e-45], &mut got, &Pool::single());
        assert_eq!(got, [infinity, infinity, infinity | 0x8000, 0]);
    }
    let mut got = [0; 2];
    f32_to_f16(&[65_519.0, 65_520.0], &mut got, &Pool::single());
    assert_eq!(got, [0x7bff, 0x7c00]);
}

#[test]
fn bytes_and_wide_floats_convert_at_every_length() {
    for isa in Isa::available() {
        for len in [0, 1, 7, 8, 9, 15, 16, 17, 256, 40_000] {
            for threads in [1, 2, 7] {
                let pool = Pool::new(threads);
                let bytes: Vec<u8> = (0..len + 1).map(|i| (i % 256) as u8).collect();
                let mut singles = vec![-77.0; len + 2];
                u8_to_f32_on(isa, &bytes[1..], &mut singles[1..=len], &pool);
                assert!((0..len).all(|i| singles[i + 1] == f32::from(bytes[i + 1])));
                assert_eq!((singles[0], singles[len + 1]), (-77.0, -77.0));
                let mut doubles = vec![0.0; len + 2];
                f32_to_f64_on(isa, &singles, &mut doubles, &pool);
                let mut back = vec![0.0; len + 2];
                f64_to_f32_on(isa, &doubles, &mut back, &pool);
                assert_eq!(back, singles);
            }
        }
    }
    let mut got = [0.0; 4];
    f64_to_f32(&[1e300, 0.1, f64::NAN, -0.0], &mut got, &Pool::single());
    assert_eq!((got[0], got[1]), (f32::INFINITY, 0.1));
    assert!(got[2].is_nan() && got[3].to_bits() == (-0.0f32).to_bits());
}
