//! Golden vectors: inputs, with what each step of a program makes of them.

use super::lower::Program;
use super::run::Memory;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The line that a device begins with.
pub const FIRST_LINE: &str = "plexus verify 1";

/// The line that it ends with.
pub const LAST_LINE: &str = "end";

/// What a program has to give.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Golden {
    /// The name of the program.
    pub name: String,
    /// `rust` or `c`.
    pub target: String,
    /// What each step is.
    pub steps: Vec<GoldenStep>,
    /// The inputs and outputs.
    pub vectors: Vec<Vector>,
}

/// A step in the file of golden vectors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoldenStep {
    /// The layer.
    pub layer: String,
    /// `i8` or `i16`.
    pub dtype: String,
    /// Numbers that it writes.
    pub len: usize,
}

/// One input with all that comes of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Vector {
    /// The raw numbers of each input, as the program takes them: maps channels last.
    pub inputs: Vec<Vec<f32>>,
    /// What each step writes.
    pub steps: Vec<Vec<i32>>,
}

impl Golden {
    /// Runs a program on raw samples: of each, the numbers of every input.
    pub fn of(name: &str, target: &str, program: &Program, samples: &[Vec<Vec<f32>>]) -> Golden {
        let mut memory = Memory::new(program);
        let vectors = samples.iter().map(|sample| {
            let numbers: Vec<Vec<i32>> =
                program.inputs.iter().zip(sample).map(|(input, raw)| input.whole(raw)).collect();
            let mut steps = Vec::new();
            program.run(&mut memory, &numbers, |_, written| steps.push(written.to_vec()));
            Vector { inputs: sample.clone(), steps }
        });
        let vectors = vectors.collect();
        let step = |step: &super::lower::Step| GoldenStep {
            layer: step.layer.clone(),
            dtype: step.writes.dtype.name().to_string(),
            len: step.writes.len,
        };
        let steps = program.steps.iter().map(step).collect();
        Golden { name: name.to_string(), target: target.to_string(), steps, vectors }
    }
}

/// The first number of a device that is not the golden one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The golden input, from 0.
    pub vector: usize,
    /// The step, from 0.
    pub step: usize,
    /// Its layer.
    pub layer: String,
    /// The number, from 0.
    pub at: usize,
    /// What it should be.
    pub expected: i32,
    /// What came.
    pub got: i32,
    /// How many numbers of the step differ.
    pub differing: usize,
    /// Of how many.
    pub of: usize,
}

/// What a device said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Said {
    /// The first step that differs; `None` where all are the same.
    pub difference: Option<Difference>,
    /// Steps that were compared.
    pub steps: usize,
    /// Numbers that were compared.
    pub numbers: usize,
    /// Other lines of the form `name number`, such as counts of instructions.
    pub counts: BTreeMap<String, u64>,
}

/// Why what a device said cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SaidError {
    /// It did not begin.
    #[error("there is no line \"plexus verify 1\": the device said nothing that a verification begins with")]
    NoStart,
    /// It broke off.
    #[error("the device stopped after {steps} of {expected} steps, without the line \"end\": {last}")]
    CutOff {
        /// That came.
        steps: usize,
        /// That should.
        expected: usize,
        /// The last line.
        last: String,
    },
    /// A line that means nothing here.
    #[error("line {line} of the device is no step of this program: {text}")]
    Line {
        /// From 1.
        line: usize,
        /// Its text.
        text: String,
    },
    /// Steps that came twice or in another order.
    #[error(
        "line {line} of the device is step {step} of input {vector}, and step {expected_step} of input {expected_vector} was due"
    )]
    Order {
        /// From 1.
        line: usize,
        /// That came.
        vector: usize,
        /// That came.
        step: usize,
        /// That was due.
        expected_vector: usize,
        /// That was due.
        expected_step: usize,
    },
}

impl Golden {
    /// Holds what a device wrote against the golden outputs.
    ///
    /// # Errors
    /// [`SaidError`] where it is not of this program, or not whole.
    pub fn compare(&self, text: &str) -> Result<Said, SaidError> {
        let mut lines = text.lines().enumerate().skip_while(|(_, line)| line.trim() != FIRST_LINE);
        if lines.next().is_none() {
            return Err(SaidError::NoStart);
        }
        let expected = self.vectors.len() * self.steps.len();
        let mut said = Said { difference: None, steps: 0, numbers: 0, counts: BTreeMap::new() };
        let mut last = "nothing came".to_string();
        let mut ended = false;
        for (index, line) in lines {
            let line = line.trim();
            if ended || line.is_empty() {
                self.count(line, &mut said);
                continue;
            }
            if line == LAST_LINE {
                ended = true;
                continue;
            }
            if !line.starts_with("v ") {
                self.count(line, &mut said);
                continue;
            }
            let wrong = || SaidError::Line { line: index + 1, text: line.chars().take(60).collect() };
            let words: Vec<&str> = line.split_whitespace().collect();
            let [_, vector, step, digits] = words[..] else { return Err(wrong()) };
            let (Ok(vector), Ok(step)) = (vector.parse::<usize>(), step.parse::<usize>()) else { return Err(wrong()) };
            let due = (said.steps / self.steps.len().max(1), said.steps % self.steps.len().max(1));
            if (vector, step) != due || vector >= self.vectors.len() {
                let (expected_vector, expected_step) = due;
                return Err(SaidError::Order { line: index + 1, vector, step, expected_vector, expected_step });
            }
            let golden = &self.vectors[vector].steps[step];
            let got = numbers(digits, &self.steps[step].dtype).filter(|got| got.len() == golden.len());
            let got = got.ok_or_else(wrong)?;
            said.steps += 1;
            said.numbers += got.len();
            let differing = got.iter().zip(golden).filter(|(got, golden)| got != golden).count();
            if differing > 0 && said.difference.is_none() {
                let at = got.iter().zip(golden).position(|(got, golden)| got != golden).unwrap_or(0);
                said.difference = Some(Difference {
                    vector,
                    step,
                    layer: self.steps[step].layer.clone(),
                    at,
                    expected: golden[at],
                    got: got[at],
                    differing,
                    of: got.len(),
                });
            }
            last = format!("the last line was {}", line.chars().take(40).collect::<String>());
        }
        match ended && said.steps == expected {
            true => Ok(said),
            false => Err(SaidError::CutOff { steps: said.steps, expected, last }),
        }
    }

    fn count(&self, line: &str, said: &mut Said) {
        if let Some((name, number)) = line.split_once(' ')
            && let Ok(number) = number.trim().parse()
        {
            said.counts.insert(name.to_string(), number);
        }
    }
}

/// Numbers from their hexadecimal digits.
fn numbers(digits: &str, dtype: &str) -> Option<Vec<i32>> {
    let bytes: Option<Vec<u8>> = digits
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?, 16).ok())
        .collect();
    let bytes = bytes?;
    match dtype {
        "i8" => Some(bytes.into_iter().map(|byte| i32::from(byte as i8)).collect()),
        _ => {
            let (pairs, rest) = bytes.as_chunks::<2>();
            rest.is_empty().then(|| pairs.iter().map(|pair| i32::from(i16::from_le_bytes(*pair))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn golden() -> Golden {
        let step = |layer: &str, dtype: &str, len| GoldenStep { layer: layer.into(), dtype: dtype.into(), len };
        let vector = |steps: [Vec<i32>; 2]| Vector { inputs: vec![vec![0.0]], steps: steps.to_vec() };
        Golden {
            name: "net".into(),
            target: "c".into(),
            steps: vec![step("conv", "i8", 2), step("fc", "i16", 1)],
            vectors: vec![vector([vec![1, -1], vec![-2]]), vector([vec![127, -128], vec![300]])],
        }
    }

    const RIGHT: &str =
        "hello\nplexus verify 1\nv 0 0 01ff\nv 0 1 feff\nv 1 0 7f80\nv 1 1 2c01\nend\ninstructions 1234\n";

    #[test]
    fn the_same_numbers_are_no_difference() {
        let said = golden().compare(RIGHT).unwrap();
        assert_eq!((said.difference, said.steps, said.numbers), (None, 4, 6));
        assert_eq!(said.counts["instructions"], 1234);
    }

    #[test]
    fn the_first_layer_that_differs_is_named_with_both_values() {
        let said = golden().compare(&RIGHT.replace("7f80", "7f81").replace("2c01", "2d01")).unwrap();
        let difference = said.difference.unwrap();
        assert_eq!((difference.layer.as_str(), difference.vector, difference.at), ("conv", 1, 1));
        assert_eq!((difference.expected, difference.got, difference.differing), (-128, -127, 1));
    }

    #[test]
    fn what_is_not_of_the_program_is_refused() {
        let refused = |text: &str| golden().compare(text).unwrap_err();
        assert_eq!(refused("v 0 0 01ff\nend\n"), SaidError::NoStart);
        assert!(matches!(refused(&RIGHT.replace("end\n", "")), SaidError::CutOff { steps: 4, .. }));
        assert!(matches!(refused("plexus verify 1\nv 0 0 01ff\n"), SaidError::CutOff { steps: 1, expected: 4, .. }));
        for wrong in ["01f", "01fg", "01ff00", "0é"] {
            assert!(matches!(refused(&RIGHT.replace("01ff", wrong)), SaidError::Line { line: 3, .. }), "{wrong}");
        }
        assert!(matches!(refused(&RIGHT.replace("v 0 1", "v 1 1")), SaidError::Order { line: 4, .. }));
    }
}
