#!/usr/bin/env python3
"""Trains 784-512-256-10 with PyTorch's Adam on random rows in memory and prints the second epoch as one line of JSON.

    train_adam.py --batch 128 --samples 60000 --threads 2

The other side of `plexus bench train-mlp --optimizer adam`: cross-entropy, learning rate 0.001, batches in order, a last
one that is not full left out; f32. The first epoch warms up.
"""
import argparse
import json
import time

import torch
from torch.nn import Linear, ReLU, Sequential, functional


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--samples", type=int, default=60000)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    batch, samples = arguments.batch, arguments.samples

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    model = Sequential(Linear(784, 512), ReLU(), Linear(512, 256), ReLU(), Linear(256, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    inputs = torch.randn(samples, 784)
    targets = torch.randint(0, 10, (samples,))

    def epoch():
        for start in range(0, samples - batch + 1, batch):
            rows = slice(start, start + batch)
            optimizer.zero_grad()
            functional.cross_entropy(model(inputs[rows]), targets[rows]).backward()
            optimizer.step()

    epoch()
    begin = time.perf_counter()
    epoch()
    seconds = time.perf_counter() - begin
    result = {"engine": "torch", "task": "train-mlp", "optimizer": "adam", **vars(arguments)}
    result |= {"median_us": 1e6 * seconds, "min_us": 1e6 * seconds, "runs": 1}
    print(json.dumps({**result, "samples_per_second": samples // batch * batch / seconds}))


if __name__ == "__main__":
    main()
