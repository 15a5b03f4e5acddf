#!/usr/bin/env python3
"""How far ONNX Runtime's QGemm (u8 x i8, 32-bit sums) is from the exact sums on this processor, as JSON lines.

    qgemm_error.py --batch 32 --inputs 1024 --outputs 1024

Random bytes as activations, zero point 128; random weights within -127..=127, then within -64..=64. "wrong" is the
share of outputs that are not the exact sum, "error" the root mean square of the difference by the standard deviation of
the exact sums. Processors without VNNI multiply pairs of bytes into 16 bits, which saturates for large weights.
"""
import argparse
import json

import numpy
import onnxruntime
from onnx import TensorProto, helper, numpy_helper


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in [("batch", 32), ("inputs", 1024), ("outputs", 1024)]:
        parser.add_argument("--" + name, type=int, default=default)
    args = parser.parse_args()
    random = numpy.random.default_rng(0)
    x = random.integers(0, 256, (args.batch, args.inputs)).astype(numpy.uint8)
    for largest in (127, 64):
        weight = random.integers(-largest, largest + 1, (args.outputs, args.inputs)).astype(numpy.int8)
        # Scales of one: the float output is the sum itself.
        got = numpy.rint(session(weight, args).run(None, {"x": x})[0]).astype(numpy.int64)
        exact = (x.astype(numpy.int64) - 128) @ weight.astype(numpy.int64).T
        error = numpy.sqrt(numpy.mean((got - exact) ** 2.0)) / exact.std()
        print(json.dumps({**vars(args), "largest_weight": largest, "wrong": float((got != exact).mean()), "error": error}))


def session(weight, args):
    constants = {
        "w": weight,
        "bias": numpy.zeros(args.outputs, numpy.int32),
        "one": numpy.array(1, numpy.float32),
        "weight_zero": numpy.array(0, numpy.int8),
        "x_zero": numpy.array(128, numpy.uint8),
    }
    node = helper.make_node(
        "QGemm", ["x", "one", "x_zero", "w", "one", "weight_zero", "bias"], ["y"], domain="com.microsoft", transB=1
    )
    graph = helper.make_graph(
        [node],
        "qgemm",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, [args.batch, args.inputs])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [args.batch, args.outputs])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    return onnxruntime.InferenceSession(model.SerializeToString())


if __name__ == "__main__":
    main()
