"""Writes testdata/first_losses/*.toml: the first ten losses of small networks for images, by PyTorch in float64.

Weights and images are too many for a file. Both sides make them by the same formulas (`made.py`).
"""

import torch
import torch.nn.functional as F

import case_file
import made

FORMAT = """
[[run]]  name, input (channels, height, width), classes, rows (of a batch), optimizer and its keys, learning_rate,
         losses: the mean cross-entropy of each batch before its step;
         network: TOML text of the project, where it is none of the zoo.
Tensors start as `tensor` of made.py says, by name; rows are its images, counted through all batches.
The class of a row is its number modulo `classes`. Where each pixel has a class (of three), it is 0 where the first channel is at most
-0.4, 2 where it is above 0.4, else 1; of networks whose output is smaller the pixels in the middle count.
"""

STEPS = 10
# The test allows 1e-4; PyTorch in float32 has to do clearly better, or the run is too sensitive.
FOLLOWED_BY_F32 = 1e-5


class Network:
    """Layers by name, whose tensors are made when they are first used."""

    def __init__(self, dtype):
        self.dtype, self.tensors = dtype, {}

    def tensor(self, name, *shape):
        if name not in self.tensors:
            self.tensors[name] = made.tensor(name, shape).to(self.dtype).requires_grad_()
        return self.tensors[name]

    def conv(self, name, x, filters, kernel, bias=True, groups=1, **keys):
        weight = self.tensor(f"{name}.weight", filters, x.shape[1] // groups, kernel, kernel)
        return F.conv2d(x, weight, self.tensor(f"{name}.bias", filters) if bias else None, groups=groups, **keys)

    def up(self, name, x, filters):
        weight = self.tensor(f"{name}.weight", x.shape[1], filters, 2, 2)
        return F.conv_transpose2d(x, weight, self.tensor(f"{name}.bias", filters), stride=2)

    def norm(self, name, x):
        weight, bias = self.tensor(f"{name}.weight", x.shape[1]), self.tensor(f"{name}.bias", x.shape[1])
        return F.batch_norm(x, None, None, weight, bias, training=True)

    def linear(self, name, x, outputs):
        return F.linear(x, self.tensor(f"{name}.weight", outputs, x.shape[1]), self.tensor(f"{name}.bias", outputs))


def lenet(net, x):
    x = F.max_pool2d(F.relu(net.conv("conv1", x, 6, 5, padding=2)), 2)
    x = F.max_pool2d(F.relu(net.conv("conv2", x, 16, 5)), 2).flatten(1)
    x = F.relu(net.linear("fc1", x, 120))
    return net.linear("fc3", F.relu(net.linear("fc2", x, 84)), 10)


# Wide enough that the third convolution, and a group of the second, is computed with fewer products.
ALEXNET = """input = [3, 107, 107]
layer = [
  { kind = "conv2d", name = "conv1", out_channels = 64, kernel_size = 11, stride = 4, padding = 2, activation = "relu" },
  { kind = "lrn", size = 5, k = 2.0, divide_by_size = false },
  { kind = "max_pool2d", kernel_size = 3, stride = 2 },
  { kind = "conv2d", name = "conv2", out_channels = 64, kernel_size = 5, padding = 2, groups = 2, activation = "relu" },
  { kind = "lrn", size = 5, k = 2.0, divide_by_size = false },
  { kind = "conv2d", name = "conv3", out_channels = 48, kernel_size = 3, padding = 1, activation = "relu" },
  { kind = "conv2d", name = "conv4", out_channels = 48, kernel_size = 3, padding = 1, groups = 2, activation = "relu" },
  { kind = "max_pool2d", kernel_size = 3, stride = 2 },
  { kind = "flatten" },
  { kind = "linear", name = "fc1", out_features = 64, activation = "relu" },
  { kind = "linear", name = "fc2", out_features = 64, activation = "relu" },
  { kind = "linear", name = "fc3", out_features = 5 },
]
"""


def alexnet(net, x):
    # PyTorch's alpha is divided by the size.
    lrn = lambda x: F.local_response_norm(x, 5, alpha=5e-4, beta=0.75, k=2.0)
    x = F.max_pool2d(lrn(F.relu(net.conv("conv1", x, 64, 11, stride=4, padding=2))), 3, 2)
    x = lrn(F.relu(net.conv("conv2", x, 64, 5, padding=2, groups=2)))
    x = F.relu(net.conv("conv3", x, 48, 3, padding=1))
    x = F.max_pool2d(F.relu(net.conv("conv4", x, 48, 3, padding=1, groups=2)), 3, 2).flatten(1)
    x = F.relu(net.linear("fc2", F.relu(net.linear("fc1", x, 64)), 64))
    return net.linear("fc3", x, 5)


def unet(width, depth, same, batch_norm):
    def forward(net, x):
        def two(name, x, filters):
            for name in (f"{name}.conv1", f"{name}.conv2"):
                x = net.conv(name, x, filters, 3, bias=not batch_norm, padding=int(same))
                x = F.relu(net.norm(f"{name}.norm", x) if batch_norm else x)
            return x

        seen = []
        for level in range(1, depth + 1):
            x = two(f"down{level}", x, width << (level - 1))
            seen.append(x)
            x = F.max_pool2d(x, 2)
        x = two("bottom", x, width << depth)
        for level in range(depth, 0, -1):
            x = net.up(f"up{level}", x, width << (level - 1))
            x = two(f"up{level}", torch.cat([middle(seen.pop(), x.shape[2:]), x], 1), width << (level - 1))
        return net.conv("scores", x, 3, 1)

    return forward


def middle(x, size):
    """The middle of maps, of an even number of pixels less."""
    (top, left) = [(whole - part) // 2 for whole, part in zip(x.shape[-2:], size)]
    return x[..., top : top + size[0], left : left + size[1]]


def follow(forward, shape, rows, classes, optimizer, dtype):
    net, losses, update = Network(dtype), [], None
    for step in range(STEPS):
        numbers = range(step * rows, (step + 1) * rows)
        x = torch.stack([made.image(row, shape) for row in numbers])
        if update is None:
            with torch.no_grad():
                forward(net, x.to(dtype))
            update = optimizer(list(net.tensors.values()))
        update.zero_grad()
        scores = forward(net, x.to(dtype))
        if scores.dim() == 2:
            target = torch.tensor([row % classes for row in numbers])
        else:
            gray = middle(x[:, 0], scores.shape[2:])
            target = (gray > -0.4).long() + (gray > 0.4).long()
        loss = F.cross_entropy(scores, target)
        loss.backward()
        update.step()
        losses.append(loss.item())
    return losses


OPTIMIZERS = {
    "sgd": (torch.optim.SGD, {"momentum": 0.9}),
    "adam": (torch.optim.Adam, {}),
}


def run(name, forward, shape, rows, classes, kind, rate, decay=0.0, network=None):
    make, keys = OPTIMIZERS[kind]
    optimizer = lambda tensors: make(tensors, lr=rate, weight_decay=decay, foreach=False, **keys)
    losses, single = (follow(forward, shape, rows, classes, optimizer, dtype) for dtype in (torch.float64, torch.float32))
    worst = max(abs(a - b) / a for a, b in zip(losses, single))
    print(f"    {name} {kind}: {losses[0]:.4f} -> {losses[-1]:.4f}, f32 follows within {worst:.1e}")
    assert worst < FOLLOWED_BY_F32, name
    return case_file.table("[[run]]", {
        "name": name, "input": list(shape), "classes": classes, "rows": rows, "optimizer": kind, "learning_rate": rate,
        **keys, "weight_decay": decay, "losses": losses, "network": network,
    })  # fmt: skip


if __name__ == "__main__":
    case_file.settle()
    files = {
        "lenet": [
            run("lenet5", lenet, (1, 28, 28), 32, 10, "sgd", 0.05),
            run("lenet5", lenet, (1, 28, 28), 32, 10, "adam", 0.002),
        ],
        "alexnet": [run("alexnet", alexnet, (3, 107, 107), 8, 5, "sgd", 0.003, decay=5e-4, network=ALEXNET)],
        "unet": [
            run("same", unet(32, 2, True, False), (1, 28, 28), 2, 3, "adam", 0.0002),
            run("valid", unet(8, 2, False, False), (3, 52, 60), 2, 3, "sgd", 0.05),
            run("same with batch norm", unet(8, 1, True, True), (3, 26, 34), 3, 3, "sgd", 0.05),
        ],
    }
    for name, runs in files.items():
        text = case_file.header("first_losses.py", FORMAT) + "\n".join(runs)
        case_file.write(f"first_losses/{name}.toml", text)
