"""Writes testdata/outputs: ten updates of networks of several inputs and outputs, each output with a loss, by PyTorch."""

import copy

import torch
import torch.nn.functional as F
from torch import nn

import case_file
from case_file import normal, uniform

STEPS, ROWS, RATE, MOMENTUM = 10, 8, 0.05, 0.9

FORMAT = """
Ten updates of gradient descent with momentum, on batches of `rows`. What is minimized is the sum over the outputs of
weight * loss, each loss the mean over its targets. A trainer in f32 follows the losses within 1e-5 relative.
network         TOML text of the project
rows, learning_rate, momentum
losses          what is minimized, before each update
[[output]]      name, loss (its keys), weight, losses (before each update, without the weight), and what it should give:
                names, axis, positions, targets (class numbers, -1 for none) or names, shape, targets (numbers);
                all batches one after the other
[[input]]       name, shape, values: all batches one after the other
[[param]]       name, shape, values before the first update, after the tenth, tolerance (absolute, of `after`)
"""

BRANCHES = """
inputs = { picture = [1, 5, 4], numbers = [3] }
outputs = ["kind", "price"]

[[layer]]
name = "conv"
kind = "conv2d"
inputs = ["picture"]
out_channels = 3
kernel_size = 3

[[layer]]
name = "bent"
kind = "activation"
function = "tanh"

[[layer]]
name = "mean"
kind = "global_avg_pool"

[[layer]]
name = "joined"
kind = "concat"
inputs = ["mean", "numbers"]

[[layer]]
name = "hidden"
kind = "linear"
out_features = 7

[[layer]]
name = "bent2"
kind = "activation"
function = "tanh"

[[layer]]
name = "kind"
kind = "linear"
inputs = ["bent2"]
out_features = 3

[[layer]]
name = "price"
kind = "linear"
inputs = ["bent2"]
out_features = 2
"""

PIXELS = """
input = [1, 5, 4]
outputs = ["surface", "height"]

[[layer]]
name = "conv"
kind = "conv2d"
inputs = ["input"]
out_channels = 4
kernel_size = 3
padding = 1

[[layer]]
name = "bent"
kind = "activation"
function = "tanh"

[[layer]]
name = "surface"
kind = "conv2d"
inputs = ["bent"]
out_channels = 3
kernel_size = 1

[[layer]]
name = "height"
kind = "conv2d"
inputs = ["bent"]
out_channels = 2
kernel_size = 1
"""


AREAS = """
input = [1, 6, 5]
outputs = ["overlap", "both"]

[[layer]]
name = "conv"
kind = "conv2d"
inputs = ["input"]
out_channels = 4
kernel_size = 3
padding = 1

[[layer]]
name = "bent"
kind = "activation"
function = "tanh"

[[layer]]
name = "overlap"
kind = "conv2d"
inputs = ["bent"]
out_channels = 3
kernel_size = 1

[[layer]]
name = "both"
kind = "conv2d"
inputs = ["bent"]
out_channels = 2
kernel_size = 1
"""


class Branches(nn.Module):
    """Two inputs; a class and two numbers."""

    def __init__(self):
        super().__init__()
        self.conv, self.hidden = nn.Conv2d(1, 3, 3), nn.Linear(6, 7)
        self.kind, self.price = nn.Linear(7, 3), nn.Linear(7, 2)

    def forward(self, picture, numbers):
        mean = torch.tanh(self.conv(picture)).mean((2, 3))
        hidden = torch.tanh(self.hidden(torch.cat([mean, numbers], 1)))
        return self.kind(hidden), self.price(hidden)


class Pixels(nn.Module):
    """A class and two numbers for each pixel."""

    def __init__(self):
        super().__init__()
        self.conv, self.surface, self.height = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 3, 1), nn.Conv2d(4, 2, 1)

    def forward(self, picture):
        bent = torch.tanh(self.conv(picture))
        return self.surface(bent), self.height(bent)


class Areas(nn.Module):
    """Two sorts of areas."""

    def __init__(self):
        super().__init__()
        self.conv, self.overlap, self.both = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 3, 1), nn.Conv2d(4, 2, 1)

    def forward(self, picture):
        bent = torch.tanh(self.conv(picture))
        return self.overlap(bent), self.both(bent)


def dice(output, target, with_entropy):
    """One minus the mean share of the classes, image by image; places without a class do not count."""
    known = (target >= 0).unsqueeze(1)
    probability = output.softmax(1) * known
    truth = F.one_hot(target.clamp(min=0), output.shape[1]).movedim(-1, 1) * known
    both, either = (probability * truth).sum((2, 3)), (probability + truth).sum((2, 3))
    loss = 1 - ((2 * both + 1) / (either + 1)).mean(1)
    if with_entropy:
        entropy = F.cross_entropy(output, target, ignore_index=-1, reduction="none")
        loss = loss + entropy.sum((1, 2)) / known.sum((1, 2, 3)).clamp(min=1)
    return loss[known.any(3).any(2).any(1)].mean()


def loss_of(keys, output, target):
    if keys["kind"] in ["dice", "dice_cross_entropy"]:
        return dice(output, target, keys["kind"] == "dice_cross_entropy")
    if keys["kind"] == "cross_entropy":
        weights = torch.tensor(keys["class_weights"], dtype=output.dtype)
        smoothing = keys.get("label_smoothing", 0.0)
        return F.cross_entropy(output, target, weights, ignore_index=-1, label_smoothing=smoothing)
    if keys["kind"] == "huber":
        return F.huber_loss(output, target.to(output.dtype), delta=keys["delta"])
    return F.mse_loss(output, target.to(output.dtype))


def follow(model, inputs, outputs):
    """Trains `model` in its own precision: the losses of each output, before each update."""
    dtype = next(model.parameters()).dtype
    update = torch.optim.SGD(model.parameters(), RATE, MOMENTUM, foreach=False)
    losses = []
    for step in range(STEPS):
        rows = slice(step * ROWS, (step + 1) * ROWS)
        answers = model(*(values[rows].to(dtype) for _, values in inputs))
        each = [loss_of(out["loss"], answer, out["target"][rows]) for answer, out in zip(answers, outputs)]
        update.zero_grad()
        sum(out["weight"] * loss for out, loss in zip(outputs, each)).backward()
        update.step()
        losses.append([loss.item() for loss in each])
    return losses


def run(name, text, model, inputs, outputs, falls=0.9):
    rng = case_file.generator(f"outputs/{name}")
    for param in model.parameters():
        bound = param[0].numel() ** -0.5
        param.data = uniform(rng, list(param.shape), -bound, bound)
    before, single = copy.deepcopy(model), copy.deepcopy(model).float()
    losses, single_losses = follow(model, inputs, outputs), follow(single, inputs, outputs)
    total = [sum(out["weight"] * loss for out, loss in zip(outputs, each)) for each in losses]
    worst = max(abs(a - b) / abs(a) for x, y in zip(losses, single_losses) for a, b in zip(x, y))
    assert worst < 3e-6 and total[-1] < falls * total[0], (worst, total)
    texts = [case_file.table("", {
        "network": text.lstrip("\n"), "rows": ROWS, "learning_rate": RATE, "momentum": MOMENTUM, "losses": total,
    })]
    for index, out in enumerate(outputs):
        texts.append(case_file.table("[[output]]", {
            **{key: value for key, value in out.items() if key != "target"},
            "losses": [each[index] for each in losses],
            "targets": out["target"],
        }))
    for input_name, values in inputs:
        shape = list(values.shape[1:])
        texts.append(case_file.table("[[input]]", {"name": input_name, "shape": shape, "values": values}))
    trained, rounded = model.state_dict(), single.state_dict()
    for param, values in before.state_dict().items():
        texts.append(case_file.table("[[param]]", {
            "name": param, "shape": list(values.shape), "values": values, "after": trained[param],
            "tolerance": case_file.tolerance(trained[param], rounded[param]),
        }))
    case_file.write(f"outputs/{name}.toml", case_file.header("outputs.py", FORMAT) + "\n".join(texts))
    print(f"    {total[0]:.4f} -> {total[-1]:.4f}, f32 follows within {worst:.1e}")


def branches():
    rng = case_file.generator("outputs/branches/data")
    picture, numbers = normal(rng, [STEPS * ROWS, 1, 5, 4]), normal(rng, [STEPS * ROWS, 3])
    score = numbers[:, 0] + picture.mean((1, 2, 3))
    price = torch.stack([numbers[:, 1] - numbers[:, 2], picture[:, 0, 0, 0]], 1)
    run("branches", BRANCHES, Branches(), [("picture", picture), ("numbers", numbers)], [
        {"name": "kind", "loss": {"kind": "cross_entropy", "label_smoothing": 0.1, "class_weights": [1.0, 0.5, 2.0]},
         "weight": 1.0, "names": ["low", "middle", "high"], "axis": 0, "positions": [],
         "target": (score > -0.4).long() + (score > 0.4).long()},
        {"name": "price", "loss": {"kind": "huber", "delta": 1.0}, "weight": 0.25, "names": ["a", "b"], "shape": [2],
         "target": price},
    ])


def pixels():
    rng = case_file.generator("outputs/pixels/data")
    picture = normal(rng, [STEPS * ROWS, 1, 5, 4])
    kind = (picture[:, 0] > -0.5).long() + (picture[:, 0] > 0.5).long()
    # Places without a class, in some pictures all of them.
    kind[uniform(rng, list(kind.shape), 0, 1) < 0.2] = -1
    kind[::9] = -1
    height = torch.cat([picture * 0.5, picture.roll(1, 3)], 1)
    run("pixels", PIXELS, Pixels(), [("input", picture)], [
        {"name": "surface", "loss": {"kind": "cross_entropy", "class_weights": [1.0, 2.0, 0.5]}, "weight": 1.0,
         "names": ["low", "middle", "high"], "axis": 0, "positions": [5, 4], "target": kind},
        {"name": "height", "loss": {"kind": "mean_squared_error"}, "weight": 1.5, "names": ["a", "b"],
         "shape": [2, 5, 4], "target": case_file.as_f32(height)},
    ])


def areas():
    rng = case_file.generator("outputs/areas/data")
    picture = normal(rng, [STEPS * ROWS, 1, 6, 5])
    kind = (picture[:, 0] > -0.5).long() + (picture[:, 0] > 0.5).long()
    kind[uniform(rng, list(kind.shape), 0, 1) < 0.2] = -1
    kind[::9] = -1
    # Images that lack a class, too.
    kind[::5][kind[::5] == 2] = 1
    run("areas", AREAS, Areas(), [("input", picture)], [
        {"name": "overlap", "loss": {"kind": "dice"}, "weight": 1.0, "names": ["low", "middle", "high"], "axis": 0,
         "positions": [6, 5], "target": kind},
        {"name": "both", "loss": {"kind": "dice_cross_entropy"}, "weight": 0.5, "names": ["dark", "light"], "axis": 0,
         "positions": [6, 5], "target": (picture[:, 0] + picture[:, 0].roll(1, 2) > 0.3).long()},
    ], 0.96)


if __name__ == "__main__":
    case_file.settle()
    branches()
    pixels()
    areas()
