"""Numbers that are made by formulas, so that a test has them without a file: `made.rs` has the same.

Weights are hashed from their names and places, images from their numbers.
"""

import math

import numpy as np
import torch


def seed_of(name):
    """FNV-1a of a name, 32 bits."""
    seed = 0x811C9DC5
    for byte in name.encode():
        seed = (seed ^ byte) * 0x01000193 % 2**32
    return seed


def hashed(seed, count):
    """`count` numbers in -1..1: 24 bits of a hash of the seed and the place (lowbias32, by Chris Wellons)."""
    with np.errstate(over="ignore"):
        x = np.arange(count, dtype=np.uint32) + np.uint32(seed) * np.uint32(0x9E3779B9)
        x ^= x >> np.uint32(16)
        x *= np.uint32(0x7FEB352D)
        x ^= x >> np.uint32(15)
        x *= np.uint32(0x846CA68B)
        x ^= x >> np.uint32(16)
    return ((x >> np.uint32(8)).astype(np.float64) / 2**23 - 1.0).astype(np.float32)


def tensor(name, shape):
    """Weights uniform as He's, biases and means small, scales and variances around 1; in float32."""
    values = hashed(seed_of(name), math.prod(shape))
    if name.endswith("running_var") or (name.endswith("weight") and len(shape) == 1):
        values = np.float32(1.0) + np.float32(0.5) * values
    elif name.endswith("weight"):
        values = values * np.float32(np.sqrt(6.0 / math.prod(shape[1:])))
    else:
        values = values * np.float32(0.1)
    return torch.from_numpy(values).reshape(shape)


def image(row, shape):
    """Eight by eight blocks of one color each, and noise over them: answers differ from image to image. In float32."""
    channels, height, width = shape
    noise = hashed(1000 + 2 * row, channels * height * width).reshape(shape)
    blocks = hashed(1001 + 2 * row, channels * 64).reshape(channels, 8, 8)
    down, across = np.arange(height) * 8 // height, np.arange(width) * 8 // width
    return torch.from_numpy(blocks[:, down][:, :, across] + np.float32(0.25) * noise)
