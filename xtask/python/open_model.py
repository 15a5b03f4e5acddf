"""Opens a model file with the package safetensors and checks it against what plexus says about it.

    open_model.py FOLDER      with run/model.safetensors, summary.json, input.json, prediction.json

Names and shapes against the summary, metadata by its keys, values by computing the prediction once more in NumPy.
"""

import json
import pathlib
import sys

import numpy as np
from safetensors import safe_open


def expect(condition, message):
    if not condition:
        sys.exit(f"open_model.py: {message}")


def shapes_of(layer):
    """The tensors that a layer of the summary must have in the file."""
    features = layer["input_shape"][-1] if layer["input_shape"] else 0
    if layer["kind"] == "linear":
        shapes = {"weight": (layer["output_shape"][-1], features)}
        if layer["params"] > layer["params_without_bias"]:
            shapes["bias"] = (layer["output_shape"][-1],)
        return shapes
    if layer["kind"] == "batch_norm":
        return {role: (features,) for role in ("weight", "bias", "running_mean", "running_variance")}
    if layer["kind"] == "standardize":
        return {role: None for role in ("mean", "scale")}
    return {}


def compute(layer, described, tensor, values):
    """One layer in NumPy, in float64."""
    kind = described["kind"]
    if kind == "standardize":
        return (values - tensor("mean")) * tensor("scale")
    if kind == "flatten":
        return values.reshape(-1)
    if kind == "linear":
        bias = tensor("bias") if described["bias"] else 0.0
        return tensor("weight") @ values + bias
    if kind == "batch_norm":
        normal = (values - tensor("running_mean")) / np.sqrt(tensor("running_variance") + described["epsilon"])
        return normal * tensor("weight") + tensor("bias")
    if kind == "activation":
        expect(described["function"] == "relu", f"{layer}: the test network has relu only")
        return np.maximum(values, 0.0)
    return sys.exit(f"open_model.py: {layer}: a {kind} layer is not expected in the test network")


folder = pathlib.Path(sys.argv[1])
summary = json.loads((folder / "summary.json").read_text())
prediction = json.loads((folder / "prediction.json").read_text())

with safe_open(folder / "run" / "model.safetensors", framework="numpy") as file:
    metadata = file.metadata()
    tensors = {name: file.get_tensor(name) for name in file.keys()}

wanted = {f"{layer['name']}.{role}": shape for layer in summary["layers"] for role, shape in shapes_of(layer).items()}
expect(set(tensors) == set(wanted), f"tensors {sorted(tensors)}, the summary says {sorted(wanted)}")
for name, tensor in tensors.items():
    shape = wanted[name]
    expect(shape is None or tensor.shape == shape, f"{name} is {tensor.shape}, the summary says {shape}")
    expect(tensor.dtype == np.float32, f"{name} is {tensor.dtype}, not float32")
    expect(np.isfinite(tensor).all(), f"{name} holds values that are not finite")
numbers = sum(tensor.size for tensor in tensors.values())
total = summary["total"]
expect(numbers == total["params"] + total["constants"], f"{numbers} numbers, the summary says {total}")

network = json.loads(metadata["plexus.network"])
expect(metadata["plexus.format"] == "1", f"format {metadata['plexus.format']}, not 1")
expect([x["name"] for x in network["layers"]] == [x["name"] for x in summary["layers"]], "other layers in the metadata")
classes = json.loads(metadata["plexus.task"])["classes"]
expect(classes == [str(digit) for digit in range(10)], f"the names of the classes are {classes}")

values = np.array(json.loads((folder / "input.json").read_text()), dtype=np.float64).reshape(network["input"])
for described in network["layers"]:
    layer = described["name"]
    values = compute(layer, described, lambda role: tensors[f"{layer}.{role}"].astype(np.float64), values)
said = {row["label"]: row["score"] for row in prediction["top"]}
for name, value in zip(classes, values, strict=True):
    expect(abs(said[name] - value) <= 1e-5 * max(1.0, abs(values).max()), f"class {name}: {said[name]}, NumPy says {value}")

print(f"{len(tensors)} tensors, {numbers} numbers: names, shapes, metadata and a prediction agree")
