#!/usr/bin/env python3
"""Times relu(W x + b) of another engine at many sizes in one process, so that two programs can alternate size by size.

    printf '1x784x128\\n32x1024x1024\\n' | sweep.py torch --threads 2 --seconds 0.06

Reads one size a line, batch x inputs x outputs, from standard input; answers each at once with one line of JSON:
{"engine", "batch", "inputs", "outputs", "median_us", "min_us", "runs"}. Weights are constant, f32, prepared beforehand;
three calls warm up, then each call is timed alone until the time is over, five at least. Starting Python and importing
the engine takes seconds, a measurement a twentieth of one: that is why this is not a program for one size.
"""
import argparse
import contextlib
import json
import statistics
import sys
import time

import numpy


@contextlib.contextmanager
def torch_layers(threads):
    """A function from a size to a call, for eager PyTorch in inference mode."""
    import torch

    torch.set_num_threads(threads)
    weights = {}

    def prepare(batch, inputs, outputs):
        if (inputs, outputs) not in weights:
            weights.clear()  # sizes come grouped by their weights; old ones only hold memory
            weights[inputs, outputs] = torch.nn.Linear(inputs, outputs)
        layer = weights[inputs, outputs]
        rows = torch.randn(batch, inputs)
        return lambda: torch.relu(layer(rows))

    with torch.inference_mode():
        yield prepare


@contextlib.contextmanager
def ort_layers(threads):
    """The same for ONNX Runtime: a graph of one Gemm and one Relu, the batch fixed, as an exporter writes it."""
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    generator = numpy.random.default_rng(0)
    initializers = {}

    def prepare(batch, inputs, outputs):
        if (inputs, outputs) not in initializers:
            initializers.clear()
            weight = 0.02 * generator.standard_normal((outputs, inputs), dtype=numpy.float32)
            bias = numpy.zeros(outputs, numpy.float32)
            initializers[inputs, outputs] = [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(bias, "bias")]
        graph = helper.make_graph(
            [
                helper.make_node("Gemm", ["input", "weight", "bias"], ["sums"], transB=1),
                helper.make_node("Relu", ["sums"], ["output"]),
            ],
            "layer",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, [batch, inputs])],
            [helper.make_tensor_value_info("output", TensorProto.FLOAT, [batch, outputs])],
            initializers[inputs, outputs],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        session = onnxruntime.InferenceSession(model.SerializeToString(), options)
        feeds = {"input": generator.standard_normal((batch, inputs), dtype=numpy.float32)}
        return lambda: session.run(None, feeds)

    yield prepare


def measure(call, seconds):
    """Median, shortest and number of the timed calls."""
    for _ in range(3):
        call()
    times = []
    begin = time.perf_counter()
    while len(times) < 5 or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return {"median_us": 1e6 * statistics.median(times), "min_us": 1e6 * min(times), "runs": len(times)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engine", choices=["torch", "ort"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=0.06)
    arguments = parser.parse_args()
    layers = {"torch": torch_layers, "ort": ort_layers}[arguments.engine]
    with layers(arguments.threads) as prepare:
        for line in sys.stdin:
            words = line.replace("x", " ").split()
            if not words:
                continue
            size = dict(zip(["batch", "inputs", "outputs"], map(int, words), strict=True))
            times = measure(prepare(**size), arguments.seconds)
            print(json.dumps({"engine": arguments.engine, **size, **times}), flush=True)


if __name__ == "__main__":
    main()
