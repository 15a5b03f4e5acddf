"""Time to accuracy: LeNet-5 on MNIST in PyTorch, from the start of the process to a saved model.

The recipe is that of `docs/performance.md`, with the same network, order of work and threads as

    plexus train --data mnist:DIR --network lenet5 --epochs 3 --schedule one_cycle --lr 0.004 --validation 0

One process is one seed:  time_to_accuracy.py DIR SEED OUT [THREADS]
Prints the seconds that the process has lived when the model is saved, and its accuracy on the test images.
"""

import gzip
import json
import os
import pathlib
import sys

EPOCHS, BATCH, RATE, SMOOTHING = 3, 64, 0.004, 0.05


def lived():
    """Seconds since this process began, its imports included (Linux)."""
    started = int(pathlib.Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19])
    now = float(pathlib.Path("/proc/uptime").read_text().split()[0])
    return now - started / os.sysconf("SC_CLK_TCK")


def idx(folder, name):
    """The bytes of an IDX file behind its header, plain or packed."""
    import numpy

    plain = folder / name
    data = plain.read_bytes() if plain.exists() else gzip.decompress((folder / f"{name}.gz").read_bytes())
    axes = [int.from_bytes(data[4 + 4 * axis:8 + 4 * axis], "big") for axis in range(data[3])]
    return numpy.frombuffer(data, numpy.uint8, offset=4 + 4 * data[3]).reshape(axes)


def main():
    import torch
    from torch import nn

    folder, seed, out = pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    torch.set_num_threads(int(sys.argv[4]) if len(sys.argv) > 4 else 2)
    torch.manual_seed(seed)
    images = {part: torch.from_numpy(idx(folder, f"{part}-images-idx3-ubyte").copy()) for part in ("train", "t10k")}
    labels = {part: torch.from_numpy(idx(folder, f"{part}-labels-idx1-ubyte").copy()).long() for part in ("train", "t10k")}
    pixels = images["train"].float()
    mean, spread = pixels.mean(), pixels.std(unbiased=False)
    x = {part: ((values.float() - mean) / spread).unsqueeze(1) for part, values in images.items()}
    net = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE, fused=True)
    steps = EPOCHS * -(-len(x["train"]) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, cycle_momentum=False)
    loss = nn.CrossEntropyLoss(label_smoothing=SMOOTHING)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x["train"])).split(BATCH):
            optimizer.zero_grad()
            loss(net(x["train"][rows]), labels["train"][rows]).backward()
            optimizer.step()
            schedule.step()
    net.eval()
    with torch.no_grad():
        right = sum((net(part).argmax(1) == truth).sum().item()
                    for part, truth in zip(x["t10k"].split(500), labels["t10k"].split(500)))
    torch.save(net.state_dict(), out)
    print(json.dumps({"seed": seed, "seconds": round(lived(), 3), "accuracy": right / len(x["t10k"])}))


if __name__ == "__main__":
    main()
