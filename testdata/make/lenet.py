"""Writes testdata/lenet/losses.toml: the first ten losses of LeNet-5 under SGD and Adam, by PyTorch in float64.

Weights and images are too many for a file. Both sides compute them by the same formulas, in whole numbers.
"""

import torch
import torch.nn.functional as F
from torch import nn

import case_file

FORMAT = """
LeNet-5 on 28 x 28 pixels (6 and 16 maps of 5 x 5, padding 2 first, ReLU, maxima of 2 x 2, 120, 84, 10), batches of `rows`.
Number i of tensor t (weight and bias in the order of the layers, from 0) starts at bound * (hash(i, t) - 500) / 500 with
bound = 1 / sqrt(fan_in); pixel p of row n (counted through all batches) is hash(p, n) / 1000, its class is n * 7 mod 10.
hash(i, t) = (i * 7919 + t * 104729 + i * t * 31) mod 1001, in whole numbers.
[[run]]  optimizer, learning_rate, losses: the mean cross-entropy of each batch before its step
"""

ROWS, STEPS = 32, 10


def hashed(i, t):
    return (i * 7919 + t * 104729 + i * t * 31) % 1001


def network():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))


def run(make):
    net, tensor = network(), 0
    for layer in net:
        if not hasattr(layer, "weight"):
            continue
        bound = 1 / layer.weight[0].numel() ** 0.5
        for parameter in (layer.weight, layer.bias):
            i = torch.arange(parameter.numel(), dtype=torch.int64)
            values = bound * (hashed(i, tensor).double() - 500) / 500
            parameter.data = values.float().double().reshape(parameter.shape)
            tensor += 1
    optimizer, losses = make(net.parameters()), []
    for step in range(STEPS):
        n = torch.arange(step * ROWS, (step + 1) * ROWS, dtype=torch.int64)
        p = torch.arange(784, dtype=torch.int64)
        x = (hashed(p[None, :], n[:, None]).double() / 1000).float().double().reshape(ROWS, 1, 28, 28)
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), n * 7 % 10)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


if __name__ == "__main__":
    case_file.settle()
    runs = [
        ("sgd", 0.05, lambda parameters: torch.optim.SGD(parameters, lr=0.05, momentum=0.9)),
        ("adam", 0.002, lambda parameters: torch.optim.Adam(parameters, lr=0.002)),
    ]
    text = case_file.header("lenet.py", FORMAT) + f"rows = {ROWS}\n\n"
    text += "\n".join(case_file.table("[[run]]", {"optimizer": name, "learning_rate": rate, "losses": run(make)})
                      for name, rate, make in runs)
    case_file.write("lenet/losses.toml", text)
