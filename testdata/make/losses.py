"""Writes testdata/training/losses.toml: each loss alone, its value and its gradient, by PyTorch."""

import torch
import torch.nn.functional as F

import case_file
from case_file import as_f32, normal, uniform

FORMAT = """
[[case]]     name (what is odd about it), loss (kind and its keys), reduction ("mean" or "sum"), batch, features
  predictions  batch x features, row-major, f32 values; logits for cross_entropy and binary_cross_entropy
  targets      class numbers (cross_entropy, one a row) or batch x features f32 values
  value        the loss, float64
  grad         of the value by the predictions, float64; absent in a case that looks at the value only
  tolerance    absolute: max(8 x PyTorch's own f32 error, 2e-6 x the largest magnitude, 1e-7)

mean: over all elements; cross_entropy over the rows, with class_weights a weighted mean: divided by the sum of the
weights of the targets' classes. Label smoothing s: (1 - s) x the loss of the target + s / features x the sum over all
classes c of -class_weights[c] x log_softmax[c]. huber: d^2 / 2 for |d| <= delta, else delta x (|d| - delta / 2).
The gradient of the absolute difference at zero is zero. quantile: targets are one a row, and quantiles one a column:
max(q x (t - p), (q - 1) x (t - p)); its gradient at zero is zero.
"""


def quantile(keys, reduction):
    def loss(prediction, target):
        q = torch.tensor(keys["quantiles"], dtype=prediction.dtype)
        above = target[:, None] - prediction
        # Not torch.maximum, which would share the gradient of a tie.
        each = torch.where(above > 0, q * above, torch.where(above < 0, (q - 1) * above, 0 * above))
        return each.mean() if reduction == "mean" else each.sum()

    return loss


def cross_entropy(keys, reduction):
    def loss(prediction, target):
        weights = keys.get("class_weights")
        weights = None if weights is None else torch.tensor(weights, dtype=prediction.dtype)
        return F.cross_entropy(prediction, target, weights, reduction=reduction,
                               label_smoothing=keys.get("label_smoothing", 0.0))

    return loss


LOSSES = {
    "cross_entropy": cross_entropy,
    "mean_squared_error": lambda keys, reduction: lambda p, t: F.mse_loss(p, t, reduction=reduction),
    "mean_absolute_error": lambda keys, reduction: lambda p, t: F.l1_loss(p, t, reduction=reduction),
    "huber": lambda keys, reduction: lambda p, t: F.huber_loss(p, t, reduction=reduction, delta=keys["delta"]),
    "quantile": quantile,
    "binary_cross_entropy": lambda keys, reduction: lambda p, t: F.binary_cross_entropy_with_logits(p, t, reduction=reduction),
}

TABLES = []


def add(name, kind, keys, predictions, targets, reductions=("mean", "sum"), gradient=True):
    predictions = as_f32(predictions)
    targets = torch.as_tensor(targets)
    classes = targets.dtype == torch.int64
    targets = targets if classes else as_f32(targets)
    for reduction in reductions:
        def run(dtype):
            p = predictions.to(dtype, copy=True).requires_grad_()
            value = LOSSES[kind](keys, reduction)(p, targets if classes else targets.to(dtype))
            value.backward()
            return value.detach(), p.grad

        (value, grad), (single_value, single_grad) = run(torch.float64), run(torch.float32)
        tolerance = {"value": case_file.tolerance(value, single_value)}
        if gradient:
            tolerance["grad"] = case_file.tolerance(grad, single_grad)
        TABLES.append(case_file.table("[[case]]", {
            "name": f"{kind}-{name}-{reduction}",
            "loss": {"kind": kind, **keys},
            "reduction": reduction,
            "batch": predictions.shape[0],
            "features": predictions.shape[1],
            "predictions": predictions,
            "targets": targets,
            "value": value.item(),
            "grad": grad if gradient else None,
            "tolerance": tolerance,
        }))


def cross_entropies():
    kind = "cross_entropy"
    rng = case_file.generator(kind)

    def logits(rows, features, scale=2.0):
        return normal(rng, [rows, features], scale)

    def classes(rows, features):
        return torch.randint(features, [rows], generator=rng)

    weights = [1.0, 0.5, 2.0, 1.5, 0.25]
    add("odd-size", kind, {}, logits(3, 7), classes(3, 7))
    add("batch-of-one", kind, {}, logits(1, 5), classes(1, 5))
    add("one-more-than-two-vectors", kind, {}, logits(2, 33), classes(2, 33))
    add("one-class", kind, {}, logits(2, 1), [0, 0])
    add("two-classes-golden-s15", kind, {}, [[-7.98, 2.39], [-7.98, 2.39]], [0, 1])
    add("ties", kind, {}, [[1.0, 1, 1, 1], [-2, -2, 3, 3]], [2, 0])
    add("smoothing", kind, {"label_smoothing": 0.1}, logits(4, 5), classes(4, 5))
    add("smoothing-one-is-uniform", kind, {"label_smoothing": 1.0}, logits(2, 5), classes(2, 5))
    add("weights", kind, {"class_weights": weights}, logits(6, 5), classes(6, 5))
    add("weights-and-smoothing", kind, {"label_smoothing": 0.2, "class_weights": weights}, logits(6, 5), classes(6, 5))
    add("weight-of-zero", kind, {"class_weights": [0.0, 1.0, 3.0]}, logits(4, 3), [0, 1, 2, 0])
    add("weights-batch-of-one", kind, {"class_weights": [0.5, 4.0, 1.0]}, logits(1, 3), [1])
    saturated = [[1e4, -1e4, 0], [1e4, -1e4, 0], [0, 1e4, 1e4], [-1e4, -1e4, -1e4]]
    add("saturated", kind, {}, saturated, [0, 1, 2, 0])
    add("saturated-and-right", kind, {}, [[1e4, -1e4, 0], [-50, 0, 50]], [0, 2])
    add("saturated-smoothing", kind, {"label_smoothing": 0.1}, saturated, [0, 1, 2, 0])
    add("masked-class", kind, {}, [[float("-inf"), 1, 2], [0.5, float("-inf"), 0.25]], [2, 0])
    add("target-is-masked", kind, {}, [[float("-inf"), 1, 2]], [0], gradient=False)
    add("nan", kind, {}, [[float("nan"), 1, 2], [1, 2, 3]], [1, 1], gradient=False)
    add("batch-of-none", kind, {}, torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64), reductions=("sum",))


def elementwise():
    rng = case_file.generator("elementwise")
    for kind, keys, tag in [("mean_squared_error", {}, ""), ("mean_absolute_error", {}, ""),
                            ("huber", {"delta": 1.0}, "delta-one-"), ("huber", {"delta": 0.5}, "delta-half-")]:
        predictions = normal(rng, [3, 7])
        add(f"{tag}odd-size", kind, keys, predictions, as_f32(predictions + torch.randn(3, 7, generator=rng)))
        add(f"{tag}batch-of-one-one-value", kind, keys, [[0.75]], [[-1.5]])
        # Exact zeros, and differences that are exactly delta.
        add(f"{tag}exact-and-at-the-knee", kind, keys, [[0.0, 1.0, -1.0, 2.5, 0.5, -0.5]], [[0.0, 0.0, 0.0, 2.5, 0.0, 0.0]])
        add(f"{tag}large-magnitudes", kind, keys, normal(rng, [2, 5], 1e4), normal(rng, [2, 5], 1e4))
        add(f"{tag}small-differences", kind, keys, normal(rng, [2, 3], 1e-3), normal(rng, [2, 3], 1e-3))
        add(f"{tag}nan", kind, keys, [[float("nan"), 1.0]], [[0.0, 0.0]], gradient=False)
        add(f"{tag}infinity", kind, keys, [[float("inf"), 1.0]], [[0.0, 0.0]], gradient=False)
        add(f"{tag}batch-of-none", kind, keys, torch.zeros(0, 3), torch.zeros(0, 3), reductions=("sum",))

    kind = "binary_cross_entropy"
    bits = (torch.rand(3, 7, generator=rng) > 0.5).double()
    add("odd-size", kind, {}, normal(rng, [3, 7], 2.0), bits)
    add("soft-targets", kind, {}, normal(rng, [2, 3], 2.0), uniform(rng, [2, 3], 0.0, 1.0))
    add("batch-of-one-one-value", kind, {}, [[0.75]], [[1.0]])
    add("zeros", kind, {}, [[0.0, -0.0]], [[0.0, 1.0]])
    add("saturated", kind, {}, [[1e4, -1e4, 1e4, -1e4]], [[0.0, 1.0, 1.0, 0.0]])
    add("saturated-and-right", kind, {}, [[1e4, -1e4, 30.0, -30.0, 100.0, -100.0]], [[1.0, 0.0, 1.0, 0.0, 1.0, 0.0]])
    add("nan", kind, {}, [[float("nan"), 1.0]], [[0.0, 0.0]], gradient=False)
    add("batch-of-none", kind, {}, torch.zeros(0, 3), torch.zeros(0, 3), reductions=("sum",))


def quantiles():
    kind = "quantile"
    rng = case_file.generator(kind)
    # Halves, quarters and eighths are exact in f32, as the program holds them.
    add("three", kind, {"quantiles": [0.125, 0.5, 0.875]}, normal(rng, [5, 3], 2.0), normal(rng, [5], 2.0))
    add("one", kind, {"quantiles": [0.25]}, normal(rng, [7, 1]), normal(rng, [7]))
    add("exact", kind, {"quantiles": [0.25, 0.75]}, [[1.0, 1.0], [0.0, 2.0]], [1.0, 2.0], gradient=False)
    add("large-magnitudes", kind, {"quantiles": [0.125, 0.875]}, normal(rng, [3, 2], 1e4), normal(rng, [3], 1e4))
    add("nan", kind, {"quantiles": [0.5]}, [[float("nan")], [1.0]], [0.0, 0.0], gradient=False)
    add("batch-of-none", kind, {"quantiles": [0.5, 0.75]}, torch.zeros(0, 2), torch.zeros(0), reductions=("sum",))


if __name__ == "__main__":
    case_file.settle()
    cross_entropies()
    elementwise()
    quantiles()
    case_file.write("training/losses.toml", case_file.header("losses.py", FORMAT) + "\n".join(TABLES))
