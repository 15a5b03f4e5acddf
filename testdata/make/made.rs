//! Numbers that are made by formulas, so that a test has them without a file: `made.py` has the same.
//!
//! Weights are hashed from their names and places, images from their numbers.

fn seed_of(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |seed: u32, byte| (seed ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// Numbers in -1..1.
fn hashed(seed: u32, count: usize) -> impl Iterator<Item = f32> {
    (0..count as u32).map(move |at| {
        let mut x = at.wrapping_add(seed.wrapping_mul(0x9e37_79b9));
        x = (x ^ (x >> 16)).wrapping_mul(0x7feb_352d);
        x = (x ^ (x >> 15)).wrapping_mul(0x846c_a68b);
        x ^= x >> 16;
        (f64::from(x >> 8) / 8_388_608.0 - 1.0) as f32
    })
}

/// One tensor: weights uniform as He's, biases and means small, scales and variances around 1.
pub fn tensor(name: &str, shape: &[usize]) -> Vec<f32> {
    let values = hashed(seed_of(name), shape.iter().product());
    if name.ends_with("running_var") || name.ends_with("weight") && shape.len() == 1 {
        values.map(|x| 1.0 + 0.5 * x).collect()
    } else if name.ends_with("weight") {
        let bound = (6.0 / shape[1..].iter().product::<usize>() as f64).sqrt() as f32;
        values.map(|x| x * bound).collect()
    } else {
        values.map(|x| x * 0.1).collect()
    }
}

/// Image number `row`: eight by eight blocks of one color each, and noise over them.
pub fn image(row: u32, &[channels, height, width]: &[usize; 3]) -> Vec<f32> {
    let blocks: Vec<f32> = hashed(1001 + 2 * row, channels * 64).collect();
    let noise = hashed(1000 + 2 * row, channels * height * width);
    let block = |at: usize| {
        let (channel, y, x) = (at / (height * width), at / width % height, at % width);
        blocks[channel * 64 + y * 8 / height * 8 + x * 8 / width]
    };
    noise.enumerate().map(|(at, noise)| block(at) + 0.25 * noise).collect()
}
