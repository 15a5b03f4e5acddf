"""Writes testdata/formats/mlp-from-torch.*: weights saved by the Python safetensors package, and what they compute."""

import torch
from safetensors.torch import save

import case_file
import training
from case_file import normal

NAME = "mlp-from-torch"
FORMAT = f"""
What the weights of {NAME}.safetensors (f32, dotted names, no metadata) compute.
A file of weights alone holds no network: `network` is its text.
param_count   with biases
inputs        3 x 6, row-major, f32 values
logits        3 x 4, in float64 from the f32 weights
tolerance     absolute: max(8 x PyTorch's own f32 error, 2e-6 x the largest magnitude, 1e-7)
"""

if __name__ == "__main__":
    case_file.settle()
    rng = case_file.generator(f"formats/{NAME}")
    layers = [training.linear(9, "relu"), training.linear(5, "tanh"), training.linear(4)]
    model = training.network(6, layers, rng)
    single = {f"layers.{name}": value.float().contiguous() for name, value in model.state_dict().items()}
    inputs = normal(rng, [3, 6])
    with torch.no_grad():
        logits = model(inputs)
        tolerance = case_file.tolerance(logits, model.float()(inputs.float()))
    text = case_file.table("", {
        "network": training.network_text(6, layers),
        "param_count": sum(value.numel() for value in single.values()),
        "inputs": inputs,
        "logits": logits,
        "tolerance": tolerance,
    })
    case_file.write(f"formats/{NAME}.toml", case_file.header("formats.py", FORMAT) + text.lstrip("\n"))
    (case_file.TESTDATA / "formats" / f"{NAME}.safetensors").write_bytes(save(single))
