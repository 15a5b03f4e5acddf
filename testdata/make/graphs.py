"""Writes testdata/graphs/<name>.toml: whole networks with skips, several inputs and outputs, by PyTorch."""

import math

import torch
import torch.nn.functional as F

import case_file
from case_file import normal

FORMAT = """
name, rows     what the network is, and how many samples
[network]      inputs (name, shape), layers (kind, name, what they read, their keys), outputs
[[input]]      values of one input, f32; grad in float64
[[output]]     values in float64; grad, f32, of the loss with respect to it
[[param]]      name, shape, values, grad
[tolerance]    absolute: "output", "grad_input", and one for the gradient of each parameter by its name
"""

FUNCTIONS = {"relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid}


def layer(name, kind, inputs=(), **keys):
    return {"name": name, "kind": kind} | ({"inputs": list(inputs)} if inputs else {}) | keys


def parameters(network, shapes):
    """The trainable tensors in the order of the layers, with their shapes."""
    for here in network["layers"]:
        shape = shapes[here["name"]]
        if here["kind"] == "linear":
            yield f"{here['name']}.weight", [here["out_features"], shape[-1]], shape[-1]
            yield f"{here['name']}.bias", [here["out_features"]], shape[-1]
        if here["kind"] == "conv2d":
            fan_in = shape[0] * here["kernel_size"] ** 2
            yield f"{here['name']}.weight", [here["out_channels"], shape[0], *[here["kernel_size"]] * 2], fan_in
            yield f"{here['name']}.bias", [here["out_channels"]], fan_in


def evaluate(network, inputs, p):
    """All values by their names, and the shape that each layer reads first."""
    values = {given["name"]: x for given, x in zip(network["inputs"], inputs)}
    shapes, above = {}, network["inputs"][0]["name"]
    for here in network["layers"]:
        name, kind = here["name"], here["kind"]
        read = [values[source] for source in here.get("inputs", [above])]
        x = read[0]
        shapes[name] = list(x.shape[1:])
        if kind in ("linear", "conv2d") and p is not None:
            weight, bias = p[f"{name}.weight"], p[f"{name}.bias"]
            y = F.linear(x, weight, bias) if kind == "linear" else F.conv2d(x, weight, bias, padding=here.get("padding", 0))
        elif kind == "linear":
            y = x.new_zeros([*x.shape[:-1], here["out_features"]])
        elif kind == "conv2d":
            y = x.new_zeros(F.conv2d(x, x.new_zeros([here["out_channels"], x.shape[1], *[here["kernel_size"]] * 2]),
                                     padding=here.get("padding", 0)).shape)
        elif kind == "activation":
            y = FUNCTIONS[here["function"]](x)
        elif kind == "add":
            y = sum(read[1:], read[0])
        elif kind == "concat":
            y = torch.cat(read, 1 + here.get("axis", 0))
        elif kind == "max_pool2d":
            y = F.max_pool2d(x, here["kernel_size"])
        elif kind == "flatten":
            y = x.flatten(1)
        elif kind == "global_avg_pool":
            y = x.mean([2, 3])
        values[name], above = y, name
    return values, shapes


def write(name, rows, inputs, layers, outputs=()):
    network = {"inputs": [{"name": key, "shape": shape} for key, shape in inputs.items()], "layers": layers}
    if outputs:
        network["outputs"] = list(outputs)
    outputs = list(outputs) or [layers[-1]["name"]]
    rng = case_file.generator(f"graphs/{name}")
    given = [normal(rng, [rows, *shape]) for shape in inputs.values()]
    shapes = evaluate(network, given, None)[1]
    params = {key: normal(rng, shape, 1 / math.sqrt(fan_in)) for key, shape, fan_in in parameters(network, shapes)}
    grads = {}

    def run(dtype):
        x = [value.to(dtype, copy=True).requires_grad_() for value in given]
        p = {key: value.to(dtype, copy=True).requires_grad_() for key, value in params.items()}
        values = evaluate(network, x, p)[0]
        for output in outputs:
            if output not in grads:
                grads[output] = normal(rng, list(values[output].shape))
        # The sum of the losses of all outputs.
        sum((values[output] * grads[output].to(dtype)).sum() for output in outputs).backward()
        return {
            "output": [values[output].detach() for output in outputs],
            "grad_input": [leaf.grad for leaf in x],
            **{key: [leaf.grad] for key, leaf in p.items()},
        }

    want, single = run(torch.float64), run(torch.float32)
    tables = [case_file.table("", {"name": name, "rows": rows}).lstrip("\n")]
    tables.append("[network]\n" + case_file.line("outputs", network.get("outputs", [])) + "\n")
    tables += [case_file.table("[[network.inputs]]", given_input) for given_input in network["inputs"]]
    tables += [case_file.table("[[network.layers]]", here) for here in layers]
    for value, grad in zip(given, want["grad_input"]):
        tables.append(case_file.table("[[input]]", {"values": value, "grad": grad}))
    for output, value in zip(outputs, want["output"]):
        tables.append(case_file.table("[[output]]", {"values": value, "grad": grads[output]}))
    for key, value in params.items():
        tables.append(case_file.table("[[param]]", {
            "name": key, "shape": list(value.shape), "values": value, "grad": want[key][0],
        }))
    bounds = {key: max(case_file.tolerance(a, b) for a, b in zip(want[key], single[key])) for key in want}
    tables.append(case_file.table("[tolerance]", bounds))
    case_file.write(f"graphs/{name}.toml", case_file.header("graphs.py", FORMAT) + "\n".join(tables))


def all_graphs():
    write("diamond", 3, {"input": [5]}, [
        layer("stem", "linear", out_features=4),
        layer("left", "linear", ["stem"], out_features=4),
        layer("bent", "activation", function="tanh"),
        layer("right", "linear", ["stem"], out_features=4),
        layer("sum", "add", ["bent", "right"]),
        layer("last", "linear", out_features=2),
    ])
    write("concat-of-three", 2, {"input": [4]}, [
        layer("a", "linear", out_features=3),
        layer("b", "linear", ["input"], out_features=1),
        layer("b2", "activation", function="sigmoid"),
        layer("all", "concat", ["a", "b2", "input"]),
        layer("last", "linear", out_features=3),
    ])
    write("skip-around-a-fused-activation", 3, {"input": [4]}, [
        layer("in", "linear", out_features=6),
        layer("bent", "activation", function="relu"),
        layer("mid", "linear", out_features=6),
        layer("bent2", "activation", function="relu"),
        layer("sum", "add", ["bent2", "bent"]),
        layer("bent3", "activation", function="tanh"),
        layer("last", "linear", out_features=2),
    ])
    write("two-outputs", 3, {"input": [5]}, [
        layer("stem", "linear", out_features=6),
        layer("bent", "activation", function="relu"),
        layer("class", "linear", out_features=3),
        layer("number", "linear", ["bent"], out_features=1),
    ], outputs=["class", "number", "bent"])
    write("two-inputs", 3, {"left": [4], "right": [2]}, [
        layer("l", "linear", ["left"], out_features=3),
        layer("r", "linear", ["right"], out_features=3),
        layer("sum", "add", ["l", "r"]),
        layer("bent", "activation", function="tanh"),
        layer("all", "concat", ["bent", "right"]),
        layer("last", "linear", out_features=2),
    ])
    write("maps", 2, {"input": [2, 6, 5]}, [
        layer("first", "conv2d", out_channels=3, kernel_size=3, padding=1),
        layer("bent", "activation", function="relu"),
        layer("second", "conv2d", out_channels=3, kernel_size=3, padding=1),
        layer("sum", "add", ["second", "bent"]),
        layer("bent2", "activation", function="tanh"),
        layer("joined", "concat", ["bent2", "input"]),
        layer("third", "conv2d", out_channels=4, kernel_size=1),
        layer("bent3", "activation", function="relu"),
        layer("pool", "max_pool2d", kernel_size=2),
        layer("flat", "flatten"),
        layer("mean", "global_avg_pool", ["joined"]),
        layer("all", "concat", ["flat", "mean"]),
        layer("last", "linear", out_features=3),
    ], outputs=["last", "joined"])


if __name__ == "__main__":
    case_file.settle()
    all_graphs()
