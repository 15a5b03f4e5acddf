"""What every script here shares: numbers drawn by name, the tolerance rule, and TOML written the same way each time.

Values handed to a test as inputs are rounded to f32 first and computed with in f64, so that a test in f32 starts from
exactly the same numbers. Every number is written with Python's `repr`, which gives the same f64 back.
"""

import math
import pathlib
import tomllib
import zlib

import torch

TESTDATA = pathlib.Path(__file__).resolve().parent.parent
# Longer lines than this are broken between two numbers of an array.
LINE = 118
# Keeps a file readable in a review.
FILE_BYTES = 150_000


def settle():
    """Makes a rerun give the same bits: one thread (sums in one order), deterministic algorithms."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.set_default_dtype(torch.float64)


def generator(name):
    """A generator seeded by the name of a case, so that a new case does not change the others."""
    return torch.Generator().manual_seed(zlib.crc32(name.encode()))


def as_f32(tensor):
    """The nearest f32 values, held as f64."""
    return torch.as_tensor(tensor, dtype=torch.float64).to(torch.float32).to(torch.float64)


def normal(rng, shape, scale=1.0, shift=0.0):
    """Normal numbers that f32 can hold exactly."""
    return as_f32(torch.randn(shape, generator=rng, dtype=torch.float64) * scale + shift)


def uniform(rng, shape, low, high):
    """Uniform numbers that f32 can hold exactly."""
    return as_f32(torch.rand(shape, generator=rng, dtype=torch.float64) * (high - low) + low)


def tolerance(want, single):
    """The allowed absolute difference: max(8 x PyTorch's own f32 error, 2e-6 x the largest magnitude, 1e-7).

    `want` was computed in f64, `single` by the same code in f32. NaN and infinities must sit in the same places.
    """
    want, single = want.detach().double().flatten(), single.detach().double().flatten()
    finite = torch.isfinite(want)
    assert torch.equal(finite, torch.isfinite(single)), (want, single)
    assert torch.equal(want[~finite].nan_to_num(nan=0.5), single[~finite].nan_to_num(nan=0.5)), (want, single)
    want, single = want[finite], single[finite]
    if want.numel() == 0:
        return 1e-7
    bound = max(8 * (want - single).abs().max().item(), 2e-6 * want.abs().max().item(), 1e-7)
    return round_up(bound)


def round_up(value):
    """Three digits, upwards: enough for a bound, and steady when the last bits are not."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 2)
    rounded = float(f"{math.ceil(value / unit - 1e-9) * unit:.2e}")
    return max(rounded, 1e-7)


def key(name):
    """A TOML key, quoted where it has to be."""
    return name if name.replace("_", "").replace("-", "").isalnum() else f'"{name}"'


def inline(value):
    """A value on one line."""
    if isinstance(value, torch.Tensor):
        return inline(value.detach().flatten().tolist())
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, dict):
        inside = ", ".join(f"{key(k)} = {inline(v)}" for k, v in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(inline(v) for v in value) + "]"
    return repr(value)


def line(name, value):
    """`name = value`, a long array broken over several lines, a text of several lines in triple quotes."""
    if isinstance(value, str) and "\n" in value:
        return f'{key(name)} = """\n{value}"""'
    text = f"{key(name)} = {inline(value)}"
    if len(text) <= LINE or not isinstance(value, (torch.Tensor, list, tuple)):
        return text
    lines, current = [f"{key(name)} = ["], ""
    for number in inline(value)[1:-1].split(", "):
        if len(current) + len(number) + 4 > LINE:
            lines.append("  " + current.rstrip())
            current = ""
        current += number + ", "
    return "\n".join([*lines, "  " + current.rstrip(), "]"])


def table(header, values):
    """A TOML table; entries that are `None` are left out."""
    return "\n".join([header, *(line(k, v) for k, v in values.items() if v is not None)]) + "\n"


def header(script, text):
    """The comment at the top of a file: who made it, and the format."""
    version = torch.__version__.split("+")[0]
    first = f"made by testdata/make/{script} with torch {version}, float64; generators are seeded by the name of the case"
    return "".join(f"# {part}".rstrip() + "\n" for part in [first, *text.strip("\n").split("\n")]) + "\n"


def write(path, text):
    """Writes one file after checking that it is TOML of a decent size."""
    tomllib.loads(text)
    assert len(text) <= FILE_BYTES, f"{path} has {len(text)} bytes"
    path = TESTDATA / path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    print(f"{path.relative_to(TESTDATA.parent)}: {len(text):,} bytes")
