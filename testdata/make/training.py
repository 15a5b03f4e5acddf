"""Writes testdata/training: ten steps of small runs, and a hundred steps of each optimizer, by PyTorch."""

import copy
import math

import torch
import torch.nn.functional as F
from torch import nn

import case_file
from case_file import as_f32, normal, uniform

STEPS = 10
# The Rust trainer must follow within 1e-5; PyTorch in f32 has to do clearly better, or the run is too sensitive.
FOLLOWED_BY_F32 = 3e-6

RUN_FORMAT = """
The first ten losses of one run. A trainer in f32 follows them within 1e-5 relative.
[run]      network (TOML text of the project), loss (its keys; reduction is mean), batch, the optimizer and its keys,
           learning_rates (one a step), clip_norm (where gradients are clipped), gradient_norms (before clipping),
           losses (of each step, before its update).
[[param]]  name, shape, values before the first step, after the tenth, tolerance (absolute, of `after`):
           max(8 x PyTorch's own f32 error, 2e-6 x the largest magnitude, 1e-7). In the order of the network.
[[state]]  the same for running statistics.
[[step]]   inputs (batch x sample, row-major) and targets (class numbers, or batch x outputs) of each step.
Names count the layers as they run: "linear" with an `activation` is two layers, as in torch.nn.Sequential.

sgd      g = gradient + weight_decay * w; v = momentum * v + g (first step v = g); w -= lr * (nesterov ? g + momentum * v : v)
adam     g as above; m = beta1 * m + (1 - beta1) * g; s = beta2 * s + (1 - beta2) * g^2;
         w -= lr * (m / (1 - beta1^t)) / (sqrt(s / (1 - beta2^t)) + epsilon), t = 1, 2, ...
rmsprop  g as above; s = alpha * s + (1 - alpha) * g^2; with momentum v = momentum * v + g / (sqrt(s) + epsilon)
         and w -= lr * v, else w -= lr * g / (sqrt(s) + epsilon)
decoupled = true: w *= 1 - lr * weight_decay before the update, and no weight_decay in g ("adamw" is adam with it).
clip     every gradient times min(1, clip_norm / (norm + 1e-6)), norm over all parameters together.
"""

OPTIMIZERS_FORMAT = """
A hundred updates of five numbers, with gradients given (the same for every case); formulas as in the other files.
initial        the numbers before the first step
gradients      100 x 5, one row a step; the fifth is zero for the first fifty steps
[[case]]       name, optimizer and its keys
[[case.after]] step (1 is the first update), params, tolerance (absolute):
               max(8 x PyTorch's own f32 error, 2e-6 x the largest magnitude, 1e-7)
"""


def optimizer(kind, params, keys):
    """PyTorch's optimizer for our keys."""
    lr, decay = keys["learning_rate"], keys.get("weight_decay", 0.0)
    betas, epsilon = (keys.get("beta1", 0.9), keys.get("beta2", 0.999)), keys.get("epsilon", 1e-8)
    # Some optimizers of PyTorch know no decoupled decay: `decay_first` does it for them.
    decay = 0.0 if decays_by_hand(kind, keys) else decay
    if kind == "sgd":
        return torch.optim.SGD(params, lr, keys.get("momentum", 0.0), weight_decay=decay,
                               nesterov=keys.get("nesterov", False), foreach=False)
    if kind == "adam":
        return torch.optim.Adam(params, lr, betas, epsilon, decay, foreach=False)
    if kind == "adamw":
        return torch.optim.AdamW(params, lr, betas, epsilon, decay, foreach=False)
    if kind == "rmsprop":
        return torch.optim.RMSprop(params, lr, keys["alpha"], epsilon, decay, keys.get("momentum", 0.0), foreach=False)
    raise ValueError(kind)


def decays_by_hand(kind, keys):
    return keys.get("decoupled", False) and kind != "adamw"


def decay_first(kind, keys, params):
    if decays_by_hand(kind, keys):
        with torch.no_grad():
            for param in params:
                param.mul_(1 - keys["learning_rate"] * keys["weight_decay"])


ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU, "silu": nn.SiLU, "sigmoid": nn.Sigmoid}
ROLES = {"running_var": "running_variance"}


def network_text(features, layers):
    """The network as a person would write it."""
    tables = [case_file.line("input", [features]) + "\n"]
    return "\n".join(tables + [case_file.table("[[layer]]", layer) for layer in layers])


def network(features, layers, rng):
    """The same network as a Sequential, with starting values that f32 holds exactly."""
    modules = []
    for layer in layers:
        kind = layer["kind"]
        if kind == "linear":
            modules.append(nn.Linear(features, layer["out_features"], layer.get("bias", True)))
            bound, features = features**-0.5, layer["out_features"]
            for param in modules[-1].parameters():
                param.data = uniform(rng, list(param.shape), -bound, bound)
        elif kind == "batch_norm":
            modules.append(nn.BatchNorm1d(features, layer["epsilon"], layer["momentum"]))
            modules[-1].weight.data = uniform(rng, [features], 0.5, 1.5)
            modules[-1].bias.data = normal(rng, [features], 0.1)
        elif kind == "dropout":
            modules.append(nn.Dropout(layer["probability"]))
        else:
            modules.append(ACTIVATIONS[layer["function"]]())
        if "activation" in layer:
            modules.append(ACTIVATIONS[layer["activation"]]())
    return nn.Sequential(*modules).double()


def loss_of(loss, output, target):
    """The loss with reduction mean."""
    kind = loss["kind"]
    if kind == "cross_entropy":
        weights = loss.get("class_weights")
        weights = None if weights is None else torch.tensor(weights, dtype=output.dtype)
        return F.cross_entropy(output, target, weights, label_smoothing=loss.get("label_smoothing", 0.0))
    if kind == "huber":
        return F.huber_loss(output, target, delta=loss["delta"])
    functions = {"mean_squared_error": F.mse_loss, "mean_absolute_error": F.l1_loss,
                 "binary_cross_entropy": F.binary_cross_entropy_with_logits}
    return functions[kind](output, target)


def batches(rng, features, outputs, batch, loss, spread):
    """Ten different batches with something to learn in them, inputs of standard deviation `spread`."""
    teacher = torch.randn(outputs, features, generator=rng, dtype=torch.float64) * features**-0.5
    for _ in range(STEPS):
        inputs = normal(rng, [batch, features], spread)
        scores = torch.tanh(inputs @ teacher.T) * 2 + 0.3 * torch.randn(batch, outputs, generator=rng, dtype=torch.float64)
        if loss["kind"] == "cross_entropy":
            yield inputs, scores.argmax(1)
        elif loss["kind"] == "binary_cross_entropy":
            yield inputs, (scores > 0.0).double()
        else:
            yield inputs, as_f32(scores)


def follow(model, steps, loss, kind, keys, rates, clip_norm):
    """Trains `model` in its own precision: losses, gradient norms; the model is changed."""
    params = list(model.parameters())
    update = optimizer(kind, params, keys)
    losses, norms = [], []
    for (inputs, target), rate in zip(steps, rates):
        dtype = params[0].dtype
        target = target if target.dtype == torch.int64 else target.to(dtype)
        update.zero_grad()
        value = loss_of(loss, model(inputs.to(dtype)), target)
        value.backward()
        if clip_norm is not None:
            norms.append(nn.utils.clip_grad_norm_(params, clip_norm, foreach=False).item())
        update.param_groups[0]["lr"] = rate
        decay_first(kind, {**keys, "learning_rate": rate}, params)
        update.step()
        losses.append(value.item())
    return losses, norms


def run(name, features, layers, batch, loss, kind, keys, schedule="constant", clip_norm=None, spread=1.0):
    rng = case_file.generator(f"training/{name}")
    model = network(features, layers, rng)
    before, single = copy.deepcopy(model), copy.deepcopy(model).float()
    outputs = [layer for layer in layers if layer["kind"] == "linear"][-1]["out_features"]
    steps = list(batches(rng, features, outputs, batch, loss, spread))
    lr = keys["learning_rate"]
    rates = [lr if schedule == "constant" else 0.5 * lr * (1 + math.cos(math.pi * t / STEPS)) for t in range(STEPS)]
    losses, norms = follow(model, steps, loss, kind, keys, rates, clip_norm)
    single_losses, _ = follow(single, steps, loss, kind, keys, rates, clip_norm)
    worst = max(abs(a - b) / abs(a) for a, b in zip(losses, single_losses))
    assert worst < FOLLOWED_BY_F32, f"{name}: PyTorch in f32 is {worst:.1e} off"
    assert losses[-1] != losses[0] and all(map(math.isfinite, losses))
    if clip_norm is not None:
        assert min(norms) < clip_norm < max(norms), f"{name}: clipping should act on some steps only, {norms}"

    texts = [case_file.table("[run]", {
        "network": network_text(features, layers),
        "loss": loss,
        "batch": batch,
        "optimizer": kind,
        **keys,
        "schedule": schedule,
        "learning_rates": rates,
        "clip_norm": clip_norm,
        "gradient_norms": norms or None,
        "losses": losses,
    })]
    trained, rounded = model.state_dict(), single.state_dict()
    for state_name, values in before.state_dict().items():
        place, role = state_name.split(".")
        if role == "num_batches_tracked":
            continue
        texts.append(case_file.table("[[state]]" if role.startswith("running") else "[[param]]", {
            "name": f"layers.{place}.{ROLES.get(role, role)}",
            "shape": list(values.shape),
            "values": values,
            "after": trained[state_name],
            "tolerance": case_file.tolerance(trained[state_name], rounded[state_name]),
        }))
    for inputs, targets in steps:
        texts.append(case_file.table("[[step]]", {"inputs": inputs, "targets": targets}))
    case_file.write(f"training/{name}.toml", case_file.header("training.py", RUN_FORMAT) + "\n".join(texts))
    print(f"    losses {losses[0]:.4f} -> {losses[-1]:.4f}, f32 follows within {worst:.1e}")


def linear(out_features, activation=None, **keys):
    return {"kind": "linear", "out_features": out_features, **keys, **({"activation": activation} if activation else {})}


def runs():
    cross_entropy = {"kind": "cross_entropy"}
    squared = {"kind": "mean_squared_error"}
    adam = {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}

    run("sgd-momentum", 13, [linear(16, "relu"), linear(5)], 8, cross_entropy,
        "sgd", {"learning_rate": 0.1, "momentum": 0.9})
    run("sgd-nesterov-l2", 13, [linear(16, "relu"), linear(5)], 8, cross_entropy,
        "sgd", {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01, "decoupled": False})
    run("adamw-cosine", 8, [linear(12, "tanh"), linear(10, "tanh"), linear(4)], 8, cross_entropy,
        "adamw", {"learning_rate": 0.01, **adam, "weight_decay": 0.01, "decoupled": True}, schedule="cosine")
    normalized = [
        linear(11, bias=False),
        {"kind": "batch_norm", "epsilon": 1e-5, "momentum": 0.1, "center": True, "scale": True,
         "running_variance": "unbiased"},
        {"kind": "activation", "function": "relu"},
        {"kind": "dropout", "probability": 0.0},
        linear(2),
    ]
    rmsprop = {"learning_rate": 0.005, "alpha": 0.9, "epsilon": 1e-8}
    run("rmsprop-batch-norm", 6, normalized, 12, squared, "rmsprop", rmsprop)
    run("rmsprop-momentum-batch-norm", 6, normalized, 12, squared, "rmsprop", {**rmsprop, "momentum": 0.9})
    run("adam-clip-smoothing", 9, [linear(12, "gelu"), linear(4)], 8,
        {"kind": "cross_entropy", "label_smoothing": 0.1, "class_weights": [1.0, 0.5, 2.0, 1.5]},
        "adam", {"learning_rate": 0.02, **adam, "weight_decay": 0.01, "decoupled": False}, clip_norm=1.0, spread=2.0)
    run("huber", 7, [linear(9, "tanh"), linear(3)], 6, {"kind": "huber", "delta": 0.5},
        "sgd", {"learning_rate": 0.2, "momentum": 0.0})
    run("binary-cross-entropy", 7, [linear(9, "silu"), linear(3)], 6, {"kind": "binary_cross_entropy"},
        "adam", {"learning_rate": 0.02, **adam})
    run("mean-absolute", 7, [linear(9, "sigmoid"), linear(2)], 6, {"kind": "mean_absolute_error"},
        "sgd", {"learning_rate": 0.1, "momentum": 0.5})


def optimizers():
    rng = case_file.generator("training/optimizers")
    initial = normal(rng, [5])
    # One number each of large, usual and small gradients, one that keeps its sign, one that is zero for a while.
    gradients = normal(rng, [100, 5]) * torch.tensor([4.0, 1.0, 2.0**-10, 1.0, 1.0])
    gradients[:, 3] = gradients[:, 3].abs()
    gradients[:50, 4] = 0.0
    initial, gradients = as_f32(initial), as_f32(gradients)

    adam = {"learning_rate": 0.01, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
    rmsprop = {"learning_rate": 0.01, "alpha": 0.99, "epsilon": 1e-8}
    variants = [
        ("sgd", "sgd", {"learning_rate": 0.05, "momentum": 0.0}),
        ("sgd-momentum", "sgd", {"learning_rate": 0.05, "momentum": 0.9}),
        ("sgd-nesterov", "sgd", {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True}),
        ("sgd-l2", "sgd", {"learning_rate": 0.05, "momentum": 0.0, "weight_decay": 0.1, "decoupled": False}),
        ("sgd-momentum-l2", "sgd", {"learning_rate": 0.05, "momentum": 0.9, "weight_decay": 0.1, "decoupled": False}),
        ("sgd-momentum-decoupled", "sgd",
         {"learning_rate": 0.05, "momentum": 0.9, "weight_decay": 0.1, "decoupled": True}),
        ("adam", "adam", adam),
        ("adam-short-memory", "adam", {**adam, "beta1": 0.5, "beta2": 0.9, "epsilon": 1e-3}),
        ("adam-l2", "adam", {**adam, "weight_decay": 0.1, "decoupled": False}),
        ("adamw", "adamw", {**adam, "weight_decay": 0.1, "decoupled": True}),
        ("rmsprop", "rmsprop", {**rmsprop, "momentum": 0.0}),
        ("rmsprop-momentum", "rmsprop", {**rmsprop, "momentum": 0.9}),
        ("rmsprop-l2", "rmsprop", {**rmsprop, "momentum": 0.0, "weight_decay": 0.1, "decoupled": False}),
    ]

    def updates(kind, keys, dtype):
        param = initial.to(dtype, copy=True).requires_grad_()
        update, kept = optimizer(kind, [param], keys), {}
        for step, gradient in enumerate(gradients.to(dtype), start=1):
            param.grad = gradient.clone()
            decay_first(kind, keys, [param])
            update.step()
            if step in (1, 2, 10, 100):
                kept[step] = param.detach().clone()
        return kept

    texts = [case_file.table("", {"initial": initial, "gradients": gradients}).lstrip("\n")]
    for name, kind, keys in variants:
        texts.append(case_file.table("[[case]]", {"name": name, "optimizer": kind, **keys}))
        single = updates(kind, keys, torch.float32)
        for step, params in updates(kind, keys, torch.float64).items():
            texts.append(case_file.table("[[case.after]]", {
                "step": step, "params": params, "tolerance": case_file.tolerance(params, single[step])}))
    case_file.write("training/optimizers.toml", case_file.header("training.py", OPTIMIZERS_FORMAT) + "\n".join(texts))


if __name__ == "__main__":
    case_file.settle()
    runs()
    optimizers()
