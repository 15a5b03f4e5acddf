"""Writes the embedded digits file of plexus-train from scikit-learn's copy of the UCI set.

    python testdata/make/digits.py crates/plexus-train/src/data/digits.bin.gz

Layout after gunzip: 1797 x 64 pixel bytes (0..=16, row by row), then 1797 label bytes (0..=9), in scikit-learn's order.
The gzip header carries time 0 and no name, so the same library versions write the same bytes.
"""

import gzip
import hashlib
import sys

import numpy as np
from sklearn.datasets import load_digits

digits = load_digits()
images = digits.data
labels = digits.target
assert images.shape == (1797, 64) and labels.shape == (1797,)
assert np.array_equal(images, np.round(images)) and images.min() == 0 and images.max() == 16
assert sorted(set(labels.tolist())) == list(range(10))

content = images.astype(np.uint8).tobytes() + labels.astype(np.uint8).tobytes()
assert len(content) == 1797 * 65
packed = gzip.compress(content, compresslevel=9, mtime=0)
with open(sys.argv[1], "wb") as file:
    file.write(packed)
print(f"{sys.argv[1]}: {len(packed)} bytes, content SHA-256 {hashlib.sha256(content).hexdigest()}")
