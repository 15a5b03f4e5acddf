//! The network 784-128-10 that every program opens, as a safetensors file and as an ONNX file, and what it answers.

use serde_json::json;

/// Numbers of each layer.
const WIDTHS: [usize; 3] = [784, 128, 10];

/// A network with weights that are the same everywhere.
pub struct Mlp {
    /// Of each layer its weight `[out, in]` and its bias.
    layers: Vec<(Vec<f32>, Vec<f32>)>,
}

impl Mlp {
    pub fn new() -> Mlp {
        let mut state = 1u64;
        let mut next = || {
            // A linear congruential generator (Knuth, MMIX); its high bits as -0.05 to 0.05.
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 40) as f32 / (1u64 << 24) as f32 - 0.5) / 10.0
        };
        let mut some = |count: usize| (0..count).map(|_| next()).collect::<Vec<f32>>();
        let layers = WIDTHS.windows(2).map(|pair| (some(pair[1] * pair[0]), some(pair[1]))).collect();
        Mlp { layers }
    }

    /// What the programs should print: the answers to the row `(i mod 7) / 7`.
    pub fn answers(&self) -> Vec<f64> {
        let mut values: Vec<f64> = (0..WIDTHS[0]).map(|at| f64::from((at % 7) as f32 / 7.0)).collect();
        for (index, (weight, bias)) in self.layers.iter().enumerate() {
            let one = |(row, bias): (&[f32], &f32)| {
                let sum: f64 = row.iter().zip(&values).map(|(weight, value)| f64::from(*weight) * value).sum();
                sum + f64::from(*bias)
            };
            let sums: Vec<f64> = weight.chunks(values.len()).zip(bias).map(one).collect();
            let last = index + 1 == self.layers.len();
            values = sums.into_iter().map(|sum| if last { sum } else { sum.max(0.0) }).collect();
        }
        values
    }

    /// A model file of Plexus, which others read as a file of weights: eight bytes with the length of the header, the header,
    /// the tensors.
    pub fn safetensors(&self) -> Vec<u8> {
        let linear = |name: &str, out: usize| json!({ "name": name, "kind": "linear", "out_features": out });
        let relu = json!({ "name": "layers.1", "kind": "activation", "function": "relu" });
        let layers = [linear("layers.0", WIDTHS[1]), relu, linear("layers.2", WIDTHS[2])];
        let network = json!({ "input": [WIDTHS[0]], "layers": layers });
        let metadata = json!({ "plexus.format": "1", "plexus.network": network.to_string() });
        let (mut header, mut data) = (json!({ "__metadata__": metadata }), Vec::new());
        let mut tensor = |name: String, shape: &[usize], values: &[f32]| {
            let start = data.len();
            data.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            header[name] = json!({ "dtype": "F32", "shape": shape, "data_offsets": [start, data.len()] });
        };
        for (index, (weight, bias)) in self.layers.iter().enumerate() {
            tensor(format!("layers.{}.weight", 2 * index), &[WIDTHS[index + 1], WIDTHS[index]], weight);
            tensor(format!("layers.{}.bias", 2 * index), &[WIDTHS[index + 1]], bias);
        }
        let mut header = header.to_string();
        header += &" ".repeat(header.len().next_multiple_of(8) - header.len());
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat()
    }

    /// The same as ONNX: a `ModelProto` of Gemm, Relu, Gemm, written by hand. The numbers of the fields are those of
    /// `onnx.proto`.
    pub fn onnx(&self) -> Vec<u8> {
        let names = ["input", "hidden", "active", "output"];
        let gemm = |index: usize, from: &str, to: &str| {
            let one = [text(1, "transB"), number(3, 1), number(20, 2)].concat();
            let inputs = [text(1, from), text(1, &format!("w{index}")), text(1, &format!("b{index}"))].concat();
            [inputs, text(2, to), text(4, "Gemm"), field(5, &one)].concat()
        };
        let relu = [text(1, names[1]), text(2, names[2]), text(4, "Relu")].concat();
        let nodes = [gemm(0, names[0], names[1]), relu, gemm(1, names[2], names[3])];
        let tensor = |name: String, shape: &[usize], values: &[f32]| {
            let axes: Vec<u8> = shape.iter().flat_map(|axis| number(1, *axis as u64)).collect();
            let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            [axes, number(2, 1), text(8, &name), field(9, &raw)].concat()
        };
        let value = |name: &str, width: usize| {
            let axis = |axis: usize| field(1, &number(1, axis as u64));
            let shape = [axis(1), axis(width)].concat();
            let kind = field(1, &[number(1, 1), field(2, &shape)].concat());
            [text(1, name), field(2, &kind)].concat()
        };
        let mut graph: Vec<u8> = nodes.iter().flat_map(|node| field(1, node)).collect();
        graph.extend(text(2, "mlp"));
        for (index, (weight, bias)) in self.layers.iter().enumerate() {
            graph.extend(field(5, &tensor(format!("w{index}"), &[WIDTHS[index + 1], WIDTHS[index]], weight)));
            graph.extend(field(5, &tensor(format!("b{index}"), &[WIDTHS[index + 1]], bias)));
        }
        graph.extend(field(11, &value(names[0], WIDTHS[0])));
        graph.extend(field(12, &value(names[3], WIDTHS[2])));
        let operators = [text(1, ""), number(2, 13)].concat();
        [number(1, 8), field(7, &graph), field(8, &operators)].concat()
    }
}

/// A whole number in the encoding of protocol buffers: seven bits a byte, the low ones first.
fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// A field with a whole number.
fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

/// A field with bytes: a message, a text or numbers in a row.
fn field(field: u64, bytes: &[u8]) -> Vec<u8> {
    [&varint(field << 3 | 2)[..], &varint(bytes.len() as u64), bytes].concat()
}

fn text(number: u64, text: &str) -> Vec<u8> {
    field(number, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the description of the encoding.
    #[test]
    fn numbers_are_written_as_protocol_buffers_write_them() {
        assert_eq!(number(1, 150), [0x08, 0x96, 0x01]);
        assert_eq!(text(2, "testing"), b"\x12\x07testing");
    }

    #[test]
    fn the_header_of_the_weights_is_padded_and_true() {
        let file = Mlp::new().safetensors();
        let length = u64::from_le_bytes(file[..8].try_into().expect("eight bytes")) as usize;
        assert_eq!(length % 8, 0);
        let header: serde_json::Value = serde_json::from_slice(&file[8..8 + length]).expect("JSON");
        let end = header["layers.2.bias"]["data_offsets"][1].as_u64().expect("a number") as usize;
        assert_eq!(8 + length + end, file.len());
    }
}
