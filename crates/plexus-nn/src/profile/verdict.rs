//! What takes the time of a profile, in words.

use super::{Family, FamilyShare, Profile};

/// What a machine can do at best, measured in the same run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speed {
    /// Multiply-adds of f32 in a second.
    pub macs: f64,
    /// Bytes of weights that are read in a second, from where weights of that size lie: a cache or memory.
    pub bytes: f64,
}

impl Speed {
    /// The least time for so many multiply-adds and bytes, and whether it is the bytes that take it.
    pub fn floor(&self, macs: u64, bytes: u64) -> (f64, bool) {
        let (computing, reading) = (macs as f64 / self.macs, bytes as f64 / self.bytes);
        (computing.max(reading), reading > computing)
    }

    /// What takes the time of a profile, in words: whether convolutions come first and fully connected layers second, as in
    /// large classifiers of images, and why not where not.
    pub fn verdict(&self, profile: &Profile) -> String {
        let families = profile.families();
        let share = |family: &FamilyShare| format!("{} {:.0} %", family.family.name(), 100.0 * family.share);
        let ranked: Vec<String> = families.iter().filter(|family| family.share >= 0.005).map(share).collect();
        let place = |wanted: Family| families.iter().position(|family| family.family == wanted);
        let list = format!("By time: {}.", ranked.join(", "));
        let why = match (place(Family::Convolution), place(Family::FullyConnected)) {
            (Some(0), Some(1)) => {
                format!(
                    "Convolutions come first and fully connected layers second. {}",
                    self.reason(profile, &families[1])
                )
            }
            (Some(_), Some(0)) => {
                format!("Fully connected layers come first, not convolutions. {}", self.reason(profile, &families[0]))
            }
            (Some(_), Some(_)) => {
                let first = families.iter().find(|family| !is_product(family.family)).expect("one of others is ahead");
                let place = if families[0].family == first.family { "first" } else { "second" };
                format!(
                    "Here {} come {place}: they multiply little, and take their time to read and write values.",
                    first.family.name()
                )
            }
            (Some(_), None) => "There are no fully connected layers.".to_string(),
            (None, Some(_)) => "There are no convolutions.".to_string(),
            (None, None) => "There are neither convolutions nor fully connected layers.".to_string(),
        };
        format!("{list} {why}")
    }

    /// Why fully connected layers take the time that they take.
    fn reason(&self, profile: &Profile, linear: &FamilyShare) -> String {
        let all = |of: fn(&FamilyShare) -> u64| profile.families().iter().map(of).sum::<u64>().max(1) as f64;
        let weights = 100.0 * linear.weight_bytes as f64 / all(|family| family.weight_bytes);
        let macs = 100.0 * linear.macs as f64 / all(|family| family.macs);
        let held = format!("They hold {weights:.0} % of the bytes of weights and do {macs:.1} % of the multiply-adds");
        let (computing, reading) = (linear.macs as f64 / self.macs, linear.weight_bytes as f64 / self.bytes);
        let rows = if profile.rows == 1 { "one sample".to_string() } else { format!("{} samples", profile.rows) };
        let [reads, multiplies] = [reading, computing].map(|seconds| match seconds {
            seconds if seconds < 1e-3 => format!("{:.1} us", 1e6 * seconds),
            seconds => format!("{:.1} ms", 1e3 * seconds),
        });
        if reading > computing {
            return format!(
                "{held}; for {rows} reading those weights takes {reads} at least, multiplying {multiplies}: reading is the \
                 limit. More samples at a time, or rounded weights, change that."
            );
        }
        format!(
            "{held}; for {rows} multiplying takes {multiplies} at least, reading the weights {reads}: arithmetic is the limit."
        )
    }
}

fn is_product(family: Family) -> bool {
    matches!(family, Family::Convolution | Family::FullyConnected)
}

#[cfg(test)]
mod tests {
    use super::super::ProfiledLayer;
    use super::*;

    fn layer(family: Family, seconds: f64, macs: u64, weight_bytes: u64) -> ProfiledLayer {
        let (name, kind, with) = (String::new(), String::new(), Vec::new());
        ProfiledLayer { name, kind, family, with, seconds, macs, weight_bytes, value_bytes: 0 }
    }

    fn verdict(rows: usize, layers: Vec<ProfiledLayer>) -> String {
        let speed = Speed { macs: 1e10, bytes: 1e10 };
        speed.verdict(&Profile { rows, runs: 3, layers, run_seconds: 1.0 })
    }

    #[test]
    fn the_sentence_says_what_comes_first_and_why() {
        // AlexNet: 94 % of the weights and 5 % of the multiply-adds are in fully connected layers.
        let of = |rows: u64, conv: f64, linear: f64| {
            let conv = layer(Family::Convolution, conv, 1_077_000_000 * rows, 15_000_000);
            verdict(rows as usize, vec![conv, layer(Family::FullyConnected, linear, 58_600_000 * rows, 235_000_000)])
        };
        let one = of(1, 9.0, 11.0);
        assert!(one.starts_with("By time: fully connected layers 55 %, convolutions 45 %."), "{one}");
        assert!(one.contains("come first, not convolutions") && one.contains("94 % of the bytes"), "{one}");
        assert!(one.contains("do 5.2 %") && one.contains("reading is the limit"), "{one}");
        let eight = of(8, 80.0, 20.0);
        assert!(eight.contains("Convolutions come first and fully connected layers second"), "{eight}");
        assert!(eight.contains("arithmetic is the limit") && eight.contains("8 samples"), "{eight}");
        let pools = vec![
            layer(Family::Convolution, 1.0, 10, 10),
            layer(Family::Pooling, 3.0, 0, 0),
            layer(Family::FullyConnected, 0.5, 10, 10),
        ];
        assert!(verdict(1, pools).contains("poolings come first"));
        assert!(verdict(1, vec![layer(Family::FullyConnected, 1.0, 1, 1)]).contains("no convolutions"));
        assert!(verdict(1, vec![layer(Family::Convolution, 1.0, 1, 1)]).contains("no fully connected"));
        assert!(verdict(1, vec![layer(Family::Other, 1.0, 1, 1)]).contains("neither"));
    }

    #[test]
    fn a_floor_is_the_longer_of_reading_and_multiplying() {
        let speed = Speed { macs: 100.0, bytes: 10.0 };
        assert_eq!(speed.floor(100, 10), (1.0, false));
        assert_eq!(speed.floor(100, 20), (2.0, true));
    }
}
