"""Writes the files of testdata/layers for layers of whole numbers.

    python3 testdata/make/integer_layers.py

Plain Python, nothing to install: integers of any size, wrapped where the definition wraps; floats are those of 64 bits, rounded to 32
where the definition has 32. Samples go one by one, maps are channels first and written out with their padding. The roundings and the
softmax are those of integer_maps.py.
"""

import itertools
import math
import pathlib
import random
import struct
import tomllib
import zlib
from fractions import Fraction

from integer_maps import (BYTE, HALF, NIBBLE, clamp, double_rounding, line, reduced, single_rounding, softmax_s8, softmax_s16,
                          toward_zero, wrap)

LAYERS = pathlib.Path(__file__).resolve().parent.parent / "layers"
HEADER = """\
# made by testdata/make/integer_layers.py; numbers are drawn by the name of the case
# [[case]]       name (what is odd about it), layer (kind and its keys), input_shape (one sample), batch, then flat arrays,
#                batch x sample, row-major, maps channels first:
#   input_quant  what the whole numbers of `inputs` stand for; absent where they are f32 values
#   output_quant the same for `output`
#   output       what must come out, exactly; f32 values where there is no output_quant
# [[case.more]]    shape, quant, inputs of a second input
# [[case.params]]  role, shape, values
"""
RANGES = {"i4": NIBBLE, "i8": BYTE, "i16": HALF}
ROUNDINGS = ["double", "single", "float64", "float32_even"]


def f32(value):
    return struct.unpack("f", struct.pack("f", value))[0]


def half_away(value):
    size = math.floor(abs(Fraction(value)) + Fraction(1, 2))
    return size if value >= 0 else -size


def multiplier(scale):
    """A real scale as a 32-bit multiplier and a shift."""
    fraction, shift = math.frexp(scale)
    whole = half_away(fraction * 2**31)
    if whole == 2**31:
        whole, shift = whole // 2, shift + 1
    return (0, 0) if shift < -31 else (whole, shift)


def quant(dtype, scale, zero_point=0):
    return {"dtype": dtype, "scale": f32(scale), "zero_point": zero_point}


def dice_of(kind, name):
    return random.Random(zlib.crc32(f"{kind} {name}".encode()))


def draw(dice, count, limits, ends=0.15):
    return [dice.choice(limits) if dice.random() < ends else dice.randint(*limits) for _ in range(count)]


def samples(values, batch):
    size = len(values) // batch
    return [values[at * size:(at + 1) * size] for at in range(batch)]


# Sums of products, without limit and without bias: (output channel, sum) for each output of a sample.


def linear_sums(key, shape, x, w, zero):
    features = key["out_features"]
    rows = [x[at:at + shape[-1]] for at in range(0, len(x), shape[-1])]
    return [(o, sum((value - zero) * weight for value, weight in zip(row, w[o * shape[-1]:(o + 1) * shape[-1]])))
            for row in rows for o in range(features)]


def two(value):
    return [value, value] if isinstance(value, int) else list(value)


def sides(padding, kernel, dilation):
    if padding == "same":
        total = [dilation[axis] * (kernel[axis] - 1) for axis in range(2)]
        return [total[0] // 2, total[1] // 2, total[0] - total[0] // 2, total[1] - total[1] // 2]
    padding = [padding] * 4 if isinstance(padding, int) else list(padding)
    return padding * 2 if len(padding) == 2 else padding


class Slide:
    """How a kernel slides over maps."""

    def __init__(self, key, default_stride=None):
        self.kernel = two(key["kernel_size"])
        self.stride = two(key.get("stride", default_stride or 1))
        self.dilation = two(key.get("dilation", 1))
        self.padding = sides(key.get("padding", 0), self.kernel, self.dilation)
        self.ceil = key.get("ceil_mode", False)

    def outputs(self, size):
        counts = []
        for axis in range(2):
            around = size[axis] + self.padding[axis] + self.padding[axis + 2]
            room = around - self.dilation[axis] * (self.kernel[axis] - 1) - 1
            count = room // self.stride[axis] + 1
            if self.ceil and room % self.stride[axis] and count * self.stride[axis] < size[axis] + self.padding[axis]:
                count += 1
            counts.append(count)
        return counts

    def at(self, y, x, i, j):
        """The place of the map that tap i, j of output y, x sees; it may be outside."""
        return (y * self.stride[0] + i * self.dilation[0] - self.padding[0],
                x * self.stride[1] + j * self.dilation[1] - self.padding[1])

    def taps(self):
        return list(itertools.product(range(self.kernel[0]), range(self.kernel[1])))


def conv_sums(key, shape, x, w, zero):
    slide, groups, filters = Slide(key), key.get("groups", 1), key["out_channels"]
    channels, height, width = shape
    own, taps = channels // groups, slide.taps()
    rows, cols = slide.outputs([height, width])
    sums = []
    for o, y, q in itertools.product(range(filters), range(rows), range(cols)):
        total = 0
        for c in range(own):
            channel = o // (filters // groups) * own + c
            for tap, (i, j) in enumerate(taps):
                r, s = slide.at(y, q, i, j)
                if 0 <= r < height and 0 <= s < width:
                    total += (x[(channel * height + r) * width + s] - zero) * w[(o * own + c) * len(taps) + tap]
        sums.append((o, total))
    return sums


def transposed_sums(key, shape, x, w, zero):
    slide, groups, filters = Slide(key), key.get("groups", 1), key["out_channels"]
    channels, height, width = shape
    more, taps = two(key.get("output_padding", 0)), slide.taps()
    size = [(shape[axis + 1] - 1) * slide.stride[axis] - slide.padding[axis] - slide.padding[axis + 2]
            + slide.dilation[axis] * (slide.kernel[axis] - 1) + 1 + more[axis] for axis in range(2)]
    maps, of_group = [0] * (filters * size[0] * size[1]), filters // groups
    for c, r, s, o, (tap, (i, j)) in itertools.product(range(channels), range(height), range(width), range(of_group),
                                                       enumerate(taps)):
        y, q = slide.at(r, s, i, j)
        if 0 <= y < size[0] and 0 <= q < size[1]:
            value = x[(c * height + r) * width + s] - zero
            output = c // (channels // groups) * of_group + o
            maps[(output * size[0] + y) * size[1] + q] += value * w[(c * of_group + o) * len(taps) + tap]
    return [(at // (size[0] * size[1]), total) for at, total in enumerate(maps)]


SUMS = {"integer_linear": linear_sums, "integer_conv2d": conv_sums, "integer_conv_transpose2d": transposed_sums}


def weight_shape(kind, key, shape):
    if kind == "integer_linear":
        return [key["out_features"], shape[-1]]
    groups, kernel = key.get("groups", 1), two(key["kernel_size"])
    if kind == "integer_conv2d":
        return [key["out_channels"], shape[0] // groups, *kernel]
    return [shape[0], key["out_channels"] // groups, *kernel]


def affine(total, scale, rounding, wide):
    if wide:
        return reduced(total, *multiplier(scale))
    total = wrap(total)
    if rounding == "float64":
        return half_away(total * scale)
    if rounding == "float32_even":
        return round(f32(f32(total) * f32(scale)))
    return (double_rounding if rounding == "double" else single_rounding)(total, *multiplier(scale))


def product_case(kind, name, key, shape, batch=2, weight="i8", dtype="i8", rounding="double", per_channel=False, power=None,
                 zero_points=None, limits=None, small=False, ends=0.15, bias_scale=8, most=100, **more):
    """A layer of products. `power` holds the keys of the power-of-two form, if it is that; `small` draws numbers near 0, for ties."""
    dice = dice_of(kind, name)
    filters = key.get("out_features") or key["out_channels"]
    x_limits, w_limits = ((-9, 9), (-3, 3)) if small else (RANGES[dtype], RANGES[weight])
    x = draw(dice, batch * math.prod(shape), x_limits, ends)
    w = draw(dice, math.prod(weight_shape(kind, key, shape)), w_limits, ends)
    params = [("weight", weight_shape(kind, key, shape), w)]
    wide, low_high = dtype == "i16", RANGES[dtype]
    zeros = zero_points or ((0, 0) if wide or power is not None else (dice.randint(-128, 127), dice.randint(-40, 40)))
    sums = [(o, total) for one in samples(x, batch) for o, total in SUMS[kind](key, shape, one, w, zeros[0])]
    size = max(1, max(abs(total) for _, total in sums))
    has_bias = key.get("bias", True)
    if power is None:
        bias = [dice.randint(-size // bias_scale, size // bias_scale) for _ in range(filters)]
        bias = [int(f32(value)) for value in bias]
        input_quant = quant(dtype, dice.uniform(0.01, 0.1), zeros[0])
        scales = [f32(dice.uniform(0.001, 0.02)) for _ in range(filters if per_channel else 1)]
        if small:
            # The product of the scales is a quarter: every fourth sum lies between two outputs.
            input_quant, scales, out_scale = quant(dtype, 0.125, zeros[0]), [0.25] * len(scales), 0.125
        else:
            # The largest sum becomes as many steps.
            steps = dice.uniform(most, 2 * most) * (256 if wide else 1)
            out_scale = input_quant["scale"] * max(scales) * size / steps
        output_quant = quant(dtype, out_scale, zeros[1])
        arithmetic = {"affine": {"rounding": rounding, "per_channel": per_channel}}

        def output(o, total):
            scale = input_quant["scale"] * scales[o if per_channel else 0] / output_quant["scale"]
            total += bias[o] if has_bias else 0
            return affine(total, scale, rounding, wide) + zeros[1]
    else:
        fractions = {"input": 7, "weight": 8, "bias": 9, "output": 0, **power}
        bias = draw(dice, filters, RANGES[weight])
        floor, sums_wide = fractions.pop("floor", False), fractions.pop("wide", False)
        interleaved = fractions.pop("interleaved", False)
        bias_shift = fractions["input"] + fractions["weight"] - fractions["bias"]
        if "out_shift" in fractions:
            out_shift = fractions["out_shift"]
        else:
            out_shift = clamp(size.bit_length() - (15 if wide else 7) + 1, 0, 30)
        fractions["output"] = fractions["input"] + fractions["weight"] - out_shift
        input_quant = quant(dtype, 2.0 ** -fractions["input"])
        output_quant = quant(dtype, 2.0 ** -fractions["output"])
        form = {"weight_fraction": fractions["weight"], "bias_fraction": fractions["bias"],
                "rounding": "floor" if floor else "half_up"}
        arithmetic = {"power_of_two": {**form, **({"wide": True} if sums_wide else {}), **({"interleaved": True} if interleaved else {})}}

        def output(o, total):
            total += bias[o] * 2**bias_shift if has_bias else 0
            total += 0 if floor else 2**out_shift // 2
            return (total if sums_wide else wrap(total)) // 2**out_shift

    low, high = limits or low_high
    if has_bias:
        params.append(("bias", [filters], bias))
    if power is None:
        params.append(("weight_scale", [len(scales)], scales))
    integers = {"weight": weight, "arithmetic": arithmetic, "output": output_quant, **({"clamp": list(limits)} if limits else {})}
    return {"name": name, "layer": {"kind": kind, "of": key, "integers": integers}, "input_shape": shape, "batch": batch,
            "input_quant": input_quant, "inputs": x, "output_quant": output_quant,
            "output": [clamp(output(o, total), max(low, low_high[0]), min(high, low_high[1])) for o, total in sums], "params": params}


def forms():
    """Every way in which a product computes, with the keys of product_case."""
    for rounding, per_channel, weight in itertools.product(ROUNDINGS, [False, True], ["i8", "i4"]):
        name = f"8-bit-{rounding}-{'each-channel' if per_channel else 'one-scale'}-{weight}"
        yield name, {"rounding": rounding, "per_channel": per_channel, "weight": weight}
    for rounding, per_channel, weight in itertools.product(["double", "single"], [False, True], ["i4", "i8", "i16"]):
        if (rounding == "single") == (per_channel and weight == "i8"):
            name = f"16-bit-{rounding}-{'each-channel' if per_channel else 'one-scale'}-{weight}"
            yield name, {"rounding": rounding, "per_channel": per_channel, "weight": weight, "dtype": "i16"}
    for (form, dtype, weight), floor in itertools.product([("q7", "i8", "i8"), ("q15", "i16", "i16"), ("q7q15", "i16", "i8")],
                                                          [False, True]):
        name = f"{form}-{'floor' if floor else 'half-up'}"
        yield name, {"dtype": dtype, "weight": weight, "power": {"floor": floor}}
        yield f"{name}-interleaved", {"dtype": dtype, "weight": weight, "power": {"floor": floor, "interleaved": True}}


def linear_cases():
    kind = "integer_linear"
    for at, (name, form) in enumerate(forms()):
        yield product_case(kind, name, {"out_features": 3 + at % 5}, [5 + at % 7], batch=1 + at % 3, **form)
    for rounding in ROUNDINGS:
        yield product_case(kind, f"ties-{rounding}", {"out_features": 6}, [4], batch=6, rounding=rounding, small=True,
                           zero_points=(0, 0))
    yield product_case(kind, "ties-16-bit", {"out_features": 6}, [4], batch=6, dtype="i16", small=True)
    for floor in [False, True]:
        yield product_case(kind, f"ties-q7-{'floor' if floor else 'half-up'}", {"out_features": 6}, [4], batch=6, small=True,
                           power={"floor": floor, "bias": 15, "out_shift": 2})
    for form, dtype, weight in [("q15", "i16", "i16"), ("q7q15", "i16", "i8"), ("q7", "i8", "i8")]:
        for wide in [False, True]:
            # Sums, or biases that are shifted far, are beyond 32 bits.
            name = f"{form}-sums-beyond-32-bits-{'wide' if wide else 'wrap'}"
            power = {"wide": wide, "out_shift": 30 if dtype == "i8" else 26, "input": 15, "weight": 15, "bias": 3}
            yield product_case(kind, name, {"out_features": 5}, [9], dtype=dtype, weight=weight, ends=0.9, power=power)
        yield product_case(kind, f"{form}-wide-that-stays-small", {"out_features": 4}, [6], dtype=dtype, weight=weight, power={"wide": True})
        yield product_case(kind, f"{form}-no-shift", {"out_features": 4}, [3], dtype=dtype, weight=weight, small=True,
                           power={"out_shift": 0, "bias": 15})
    yield product_case(kind, "limits-for-relu6", {"out_features": 7}, [9], limits=(-20, 40), zero_points=(3, -20))
    yield product_case(kind, "limits-beyond-the-type", {"out_features": 7}, [9], limits=(-2000, 60))
    yield product_case(kind, "limits-16-bit", {"out_features": 7}, [9], dtype="i16", limits=(0, 20000))
    yield product_case(kind, "limits-q7", {"out_features": 7}, [9], power={}, limits=(0, 50))
    yield product_case(kind, "most-outputs-saturate", {"out_features": 7}, [9], most=900)
    yield product_case(kind, "no-bias", {"out_features": 4, "bias": False}, [6])
    yield product_case(kind, "no-bias-each-channel-16-bit", {"out_features": 4, "bias": False}, [6], dtype="i16", per_channel=True)
    yield product_case(kind, "no-bias-q15", {"out_features": 4, "bias": False}, [6], dtype="i16", weight="i16", power={})
    yield product_case(kind, "zero-points-at-the-ends", {"out_features": 5}, [11], zero_points=(-128, 127), ends=0.8)
    yield product_case(kind, "steps", {"out_features": 5}, [3, 4], per_channel=True)
    yield product_case(kind, "one-number", {"out_features": 1}, [1], batch=1)
    yield product_case(kind, "longer-than-a-register", {"out_features": 37}, [67], batch=5, per_channel=True)
    yield product_case(kind, "longer-than-a-register-16-bit", {"out_features": 19}, [37], batch=3, weight="i16", dtype="i16")


MAPS = {  # keys, input shape
    "one-by-one": ({"kernel_size": 1}, [3, 3, 4]),
    "three-by-two": ({"kernel_size": [3, 2]}, [2, 4, 5]),
    "padding-on-four-sides": ({"kernel_size": [3, 2], "padding": [1, 2, 0, 1]}, [2, 4, 3]),
    "stride-that-leaves-rows-over": ({"kernel_size": 2, "stride": [3, 2], "padding": [0, 1]}, [3, 6, 4]),
    "dilation": ({"kernel_size": [2, 3], "dilation": [3, 2], "padding": 2}, [2, 5, 4]),
    "groups": ({"kernel_size": 2, "groups": 2}, [4, 3, 4]),
    "each-channel-by-itself": ({"kernel_size": 3, "groups": 4, "padding": 1, "stride": 2}, [4, 4, 3]),
}


def map_cases(kind, maps):
    for at, (name, form) in enumerate(forms()):
        key, shape = list(maps.values())[at % len(maps)]
        yield product_case(kind, name, {"out_channels": 4, **key}, shape, batch=1 + at % 2, **form)
    for at, (name, (key, shape)) in enumerate(maps.items()):
        channels = 4 if at % 2 else 8
        yield product_case(kind, name, {"out_channels": channels, **key}, shape, batch=2, per_channel=at % 3 > 0)
        yield product_case(kind, f"{name}-16-bit", {"out_channels": 4, **key}, shape, dtype="i16", weight=["i8", "i16"][at % 2])
    key, shape = maps["padding-on-four-sides"]
    yield product_case(kind, "zero-point-in-the-padding", {"out_channels": 3, **key}, shape, zero_points=(-128, 5), ends=0.6)
    yield product_case(kind, "limits", {"out_channels": 3, **key}, shape, limits=(-30, 30), zero_points=(0, -30))
    yield product_case(kind, "no-bias", {"out_channels": 3, "bias": False, **key}, shape, rounding="single")
    for wide in [False, True]:
        power = {"wide": wide, "out_shift": 27, "input": 15, "weight": 15, "bias": 3}
        yield product_case(kind, f"sums-beyond-32-bits-{'wide' if wide else 'wrap'}", {"out_channels": 2, **key}, shape,
                           dtype="i16", weight="i16", ends=0.9, power=power)


def conv_cases():
    yield from map_cases("integer_conv2d", {**MAPS, "same": ({"kernel_size": [4, 3], "padding": "same"}, [1, 5, 4])})


def transposed_cases():
    maps = {name: (dict(key), shape) for name, (key, shape) in MAPS.items()}
    maps["output-padding"] = ({"kernel_size": [3, 2], "stride": [2, 3], "padding": 1, "output_padding": [1, 2]}, [2, 3, 2])
    yield from map_cases("integer_conv_transpose2d", maps)


POOLS = {  # keys, input shape
    "two-by-two": ({"kernel_size": 2}, [3, 4, 4]),
    "overlap": ({"kernel_size": 3, "stride": 1}, [2, 5, 4]),
    "rows-left-over": ({"kernel_size": [2, 3]}, [2, 5, 7]),
    "rows-left-over-count": ({"kernel_size": [2, 3], "ceil_mode": True}, [2, 5, 7]),
    "padding": ({"kernel_size": 3, "stride": 2, "padding": 1}, [3, 5, 6]),
    "padding-and-rows-left-over": ({"kernel_size": 3, "stride": 2, "padding": [1, 1], "ceil_mode": True}, [2, 6, 4]),
    "whole-map": ({"kernel_size": [4, 3]}, [5, 4, 3]),
    "one-number": ({"kernel_size": 1}, [1, 1, 1]),
}


def pool_case(kind, name, key, shape, dtype, truncate=False):
    dice = dice_of(kind, f"{name} {dtype} {truncate}")
    channels, height, width = shape
    of = {**key, "count_include_pad": False} if kind == "integer_avg_pool2d" else key
    slide, batch = Slide(key, key["kernel_size"]), 2
    x, outputs = draw(dice, batch * math.prod(shape), RANGES[dtype]), []
    rows, cols = slide.outputs([height, width])
    for one in samples(x, batch):
        for c, y, q in itertools.product(range(channels), range(rows), range(cols)):
            seen = [slide.at(y, q, i, j) for i, j in slide.taps()]
            own = [one[(c * height + r) * width + s] for r, s in seen if 0 <= r < height and 0 <= s < width]
            if kind == "integer_max_pool2d":
                outputs.append(max(own))
            elif truncate:
                outputs.append(toward_zero(sum(own), len(own)))
            else:
                half = len(own) // 2
                outputs.append(toward_zero(sum(own) + half if sum(own) > 0 else sum(own) - half, len(own)))
    numbers = quant(dtype, dice.uniform(0.01, 1), dice.randint(-128, 127) if dtype == "i8" else 0)
    layer = {"kind": kind, "of": of, **({"truncate": True} if truncate else {})}
    return {"name": f"{name}-{dtype}{'-truncate' if truncate else ''}", "layer": layer, "input_shape": shape, "batch": batch,
            "input_quant": numbers, "inputs": x, "output_quant": numbers, "output": outputs}


def pool_cases(kind):
    pools = dict(POOLS)
    if kind == "integer_max_pool2d":
        pools["dilation"] = ({"kernel_size": [2, 3], "stride": 1, "dilation": [3, 2], "padding": [1, 1]}, [2, 6, 5])
    for (name, (key, shape)), dtype in itertools.product(pools.items(), ["i8", "i16"]):
        yield pool_case(kind, name, key, shape, dtype)
        if kind == "integer_avg_pool2d" and dtype == "i8":
            yield pool_case(kind, name, key, shape, dtype, truncate=True)


# Each number by itself

SHAPES = {"row": [5], "steps": [2, 3], "maps": [2, 3, 2]}


def each_case(kind, name, shape, layer, input_quant, output_quant, function, limits=None, params=(), more=None, batch=2):
    dice = dice_of(kind, name)
    x = more or draw(dice, batch * math.prod(shape), limits or RANGES[input_quant["dtype"]])
    return {"name": name, "layer": {"kind": kind, **layer}, "input_shape": shape, "batch": batch, "input_quant": input_quant,
            "inputs": x, "output_quant": output_quant, "output": [function(value) for value in x], "params": list(params)}


def quantize_cases():
    for (name, shape), dtype in itertools.product(SHAPES.items(), ["i8", "i16"]):
        dice = dice_of("quantize", f"{name} {dtype}")
        output = quant(dtype, dice.uniform(0.001, 0.5), dice.randint(-128, 127) if dtype == "i8" else 0)
        size = output["scale"] * RANGES[dtype][1] * 1.2
        values = [f32(dice.uniform(-size, size)) for _ in range(2 * math.prod(shape))]
        yield quantize_case(f"{name}-{dtype}", shape, values, output)
    halves = [0.5, 1.5, -0.5, -1.5, 2.5, -2.5, 0.49999997, -0.49999997, 126.5, 127.5, -128.5, -129.5, 1e30, -1e30, 0.0, -0.0,
              math.inf, -math.inf, math.nan, 1e-40]
    for zero_point in [0, 3, -128, 127]:
        yield quantize_case(f"halves-zero-point-{zero_point}", [len(halves)], [f32(v) for v in halves], quant("i8", 1, zero_point))
    yield quantize_case("halves-of-a-small-scale", [len(halves)], [f32(v * 2**-9) for v in halves], quant("i8", 2**-9, 1))
    yield quantize_case("halves-i16", [len(halves)], [f32(v * 256) for v in halves], quant("i16", 256))


def quantize_case(name, shape, values, output):
    def number(value):
        if math.isnan(value):
            return output["zero_point"]
        low, high = RANGES[output["dtype"]]
        if math.isinf(value):
            return high if value > 0 else low
        return clamp(half_away(value / output["scale"]) + output["zero_point"], low, high)
    return {"name": name, "layer": {"kind": "quantize", "output": output}, "input_shape": shape, "batch": len(values) // math.prod(shape),
            "inputs": values, "output_quant": output, "output": [number(value) for value in values]}


def dequantize_cases():
    for (name, shape), dtype in itertools.product(SHAPES.items(), ["i8", "i16"]):
        dice = dice_of("dequantize", f"{name} {dtype}")
        numbers = quant(dtype, dice.uniform(0.001, 0.5), dice.randint(-128, 127) if dtype == "i8" else 0)
        yield each_case("dequantize", f"{name}-{dtype}", shape, {}, numbers, None,
                        lambda value, numbers=numbers: f32((value - numbers["zero_point"]) * numbers["scale"]))
    every = quant("i8", 0.07, -128)
    yield each_case("dequantize", "every-number-of-8-bits", [256], {}, every, None, lambda value: f32((value + 128) * every["scale"]),
                    more=list(range(-128, 128)), batch=1)


def rescale_cases():
    for (name, shape), from_, to in itertools.product(SHAPES.items(), ["i8", "i16"], ["i8", "i16"]):
        dice = dice_of("rescale", f"{name} {from_} {to}")
        zero = lambda dtype: dice.randint(-128, 127) if dtype == "i8" else 0
        source = quant(from_, dice.uniform(0.01, 0.2), zero(from_))
        ratio = dice.uniform(0.3, 3) * (256 if (from_, to) == ("i16", "i8") else 1 / 256 if (from_, to) == ("i8", "i16") else 1)
        yield rescale_case(f"{name}-{from_}-to-{to}", shape, source, quant(to, source["scale"] * ratio, zero(to)))
    for name, ratio in [("halves", 2), ("quarters", 4), ("the-same", 1), ("twice-as-fine", 0.5), ("far-coarser", 2**20),
                        ("far-finer", 2**-20), ("nothing-is-left", 2**40)]:
        for dtype in ["i8", "i16"]:
            zero = 0 if dtype == "i16" else 3
            yield rescale_case(f"{name}-{dtype}", [12], quant(dtype, 0.25, -zero), quant(dtype, 0.25 * ratio, zero), (-20, 20))


def rescale_case(name, shape, source, output, limits=None):
    scale = multiplier(source["scale"] / output["scale"])
    function = lambda value: clamp(double_rounding(value - source["zero_point"], *scale) + output["zero_point"], *RANGES[output["dtype"]])
    return each_case("rescale", name, shape, {"output": output}, source, output, function, limits)


def clamp_cases():
    for (name, shape), (dtype, low, high) in itertools.product(
            SHAPES.items(), [("i8", -3, 127), ("i8", -128, 5), ("i8", 7, 7), ("i16", -1000, 20000), ("i16", 0, 32767)]):
        numbers = quant(dtype, 0.1, -3 if dtype == "i8" else 0)
        yield each_case("integer_clamp", f"{name}-{dtype}-{low}-to-{high}", shape, {"clamp": [low, high]}, numbers, numbers,
                        lambda value, low=low, high=high: clamp(value, low, high))


def lookup_cases():
    for (name, shape), dtype in itertools.product(SHAPES.items(), ["i8", "i16"]):
        dice = dice_of("integer_lookup", f"{name} {dtype}")
        entries = draw(dice, 256 if dtype == "i8" else 513, RANGES[dtype])
        output = quant(dtype, 2**-7 if dtype == "i8" else 2**-15, -5 if dtype == "i8" else 0)
        function = (lambda value, entries=entries: entries[value + 128]) if dtype == "i8" else (
            lambda value, entries=entries: line(value, entries))
        yield each_case("integer_lookup", f"{name}-{dtype}", shape, {"output": output}, quant(dtype, 0.05, 7 if dtype == "i8" else 0),
                        output, function, params=[("table", [len(entries)], entries)], batch=4)


# Several inputs


def add_case(name, shape, quants, output, limits=None, numbers=None):
    dice = dice_of("integer_add", name)
    dtype, batch = output["dtype"], 2
    left = 20 if dtype == "i8" else 15
    xs = [draw(dice, batch * math.prod(shape), numbers or RANGES[dtype]) for _ in quants]
    twice = 2 * max(one["scale"] for one in quants)
    scales = [multiplier(one["scale"] / twice) for one in quants]
    of_sum = multiplier(twice / (2**left * output["scale"]))
    low, high = limits or RANGES[dtype]

    def sum_of(values):
        parts = [double_rounding((value - one["zero_point"]) * 2**left, *scale) for value, one, scale in zip(values, quants, scales)]
        return clamp(double_rounding(sum(parts), *of_sum) + output["zero_point"], low, high)

    layer = {"kind": "integer_add", "output": output, **({"clamp": list(limits)} if limits else {})}
    return {"name": name, "layer": layer, "input_shape": shape, "batch": batch, "input_quant": quants[0], "inputs": xs[0],
            "output_quant": output, "output": [sum_of(pair) for pair in zip(*xs)],
            "more": [{"shape": shape, "quant": quants[1], "inputs": xs[1]}]}


def add_cases():
    for (name, shape), dtype in itertools.product(SHAPES.items(), ["i8", "i16"]):
        zero = lambda value: value if dtype == "i8" else 0
        yield add_case(f"{name}-{dtype}", shape, [quant(dtype, 0.03, zero(-7)), quant(dtype, 0.11, zero(100))],
                       quant(dtype, 0.12, zero(-60)))
        yield add_case(f"{name}-{dtype}-same-scales", shape, [quant(dtype, 0.5, zero(1)), quant(dtype, 0.5, zero(2))],
                       quant(dtype, 1, zero(-3)))
        yield add_case(f"{name}-{dtype}-one-far-coarser", shape, [quant(dtype, 0.0001), quant(dtype, 3)], quant(dtype, 4))
        yield add_case(f"{name}-{dtype}-limits", shape, [quant(dtype, 0.2), quant(dtype, 0.1)], quant(dtype, 0.3), (0, 60))
    yield add_case("ties", [30], [quant("i8", 0.25), quant("i8", 0.25)], quant("i8", 0.5), numbers=(-9, 9))
    yield add_case("saturation", [12], [quant("i8", 1), quant("i8", 1)], quant("i8", 0.01))


def concat_cases():
    for dtype in ["i8", "i16"]:
        numbers = quant(dtype, 0.1, 5 if dtype == "i8" else 0)
        for name, axis, shapes in [("features", 0, [[3], [4]]), ("channels", 0, [[2, 2, 3], [1, 2, 3]]), ("rows", 1, [[2, 3, 2], [2, 1, 2]]),
                                   ("columns", 2, [[2, 2, 1], [2, 2, 3]]), ("steps", 1, [[2, 3], [2, 2]])]:
            dice, batch = dice_of("integer_concat", f"{name} {dtype}"), 2
            xs = [draw(dice, batch * math.prod(shape), RANGES[dtype]) for shape in shapes]
            rows = [[piece for shape, one in zip(shapes, parts) for piece in pieces(one, shape, axis, at)]
                    for parts in zip(*(samples(x, batch) for x in xs)) for at in range(math.prod(shapes[0][:axis]))]
            layer = {"kind": "integer_concat", "of": {"axis": axis} if axis else {}}
            yield {"name": f"{name}-{dtype}", "layer": layer, "input_shape": shapes[0], "batch": batch, "input_quant": numbers,
                   "inputs": xs[0], "output_quant": numbers, "output": [value for row in rows for value in row],
                   "more": [{"shape": shapes[1], "quant": numbers, "inputs": xs[1]}]}


def pieces(values, shape, axis, at):
    size = math.prod(shape[axis:])
    return values[at * size:(at + 1) * size]


def table(function, low, high):
    """TensorFlow Lite's 513 entries of a function, with 15 bits behind the point."""
    def at(place):
        return 32768 * function(low + (high - low) * place / 512)
    entries = []
    for index in range(512):
        middle = half_away((at(index + 1) + half_away(at(index))) / 2)
        entries.append(clamp(half_away(at(index)) - half_away(Fraction(middle - half_away(at(index + 0.5)), 2)), *HALF))
    return entries + [clamp(half_away(at(512)), *HALF)]


def softmax_cases():
    tables = [table(math.exp, -10.0, 0.0), table(lambda x: 1 / (1 + x), 0.0, 1.0)]
    for dtype, scales in [("i8", [1 / 16, 0.1, 1.0, 0.003]), ("i16", [1 / 4096, 0.0003, 0.002])]:
        for scale, (name, shape, axis) in itertools.product(scales, [("row", [10], None), ("steps", [3, 4], None), ("one-score", [1], None),
                                                                     ("channels", [3, 2, 2], 0)]):
            dice, batch = dice_of("integer_softmax", f"{name} {dtype} {scale}"), 2
            numbers = quant(dtype, scale, dice.randint(-128, 127) if dtype == "i8" else 0)
            x = draw(dice, batch * math.prod(shape), (RANGES[dtype] if scale < 0.5 else (-4, 4)))
            outputs = []
            for one in samples(x, batch):
                length = shape[0] if axis == 0 else shape[-1]
                rest = len(one) // length
                rows = [one[at::rest] for at in range(rest)] if axis == 0 else [one[at * length:(at + 1) * length] for at in range(rest)]
                if dtype == "i8":
                    times, shift = multiplier(numbers["scale"] * 2**26)
                    shares = [softmax_s8(row, times, shift, -math.floor(31 * 2**26 / 2**shift)) for row in rows]
                else:
                    shares = [softmax_s16(row, *multiplier(numbers["scale"] * 65535 / 10), *tables) for row in rows]
                outputs += [value for row in (zip(*shares) if axis == 0 else shares) for value in row]
            layer = {"kind": "integer_softmax", "of": {} if axis is None else {"axis": axis}}
            output = quant("i8", 1 / 256, -128) if dtype == "i8" else quant("i16", 1 / 32768)
            yield {"name": f"{name}-{dtype}-scale-{scale:.4}", "layer": layer, "input_shape": shape, "batch": batch,
                   "input_quant": numbers, "inputs": x, "output_quant": output, "output": outputs}


# Files


def inline(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, dict):
        inside = ", ".join(f"{key} = {inline(one)}" for key, one in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(inline, value)) + "]"
    return repr(value)


def lines(name, value):
    text = f"{name} = {inline(value)}"
    if len(text) <= 118 or not isinstance(value, (list, tuple)):
        return text
    rows, row = [f"{name} = ["], ""
    for number in map(inline, value):
        if len(row) + len(number) + 4 > 118:
            rows.append("  " + row.rstrip())
            row = ""
        row += number + ", "
    return "\n".join([*rows, "  " + row.rstrip(), "]"])


def written(case):
    params, more = case.pop("params", []), case.pop("more", [])
    parts = ["[[case]]", *(lines(key, value) for key, value in case.items() if value is not None)]
    for one in more:
        parts += ["[[case.more]]", *(lines(key, value) for key, value in one.items())]
    for role, shape, values in params:
        parts += ["[[case.params]]", lines("role", role), lines("shape", shape), lines("values", values)]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    FILES = {
        "quantize": quantize_cases(), "dequantize": dequantize_cases(), "rescale": rescale_cases(), "integer_linear": linear_cases(),
        "integer_conv2d": conv_cases(), "integer_conv_transpose2d": transposed_cases(),
        "integer_max_pool2d": pool_cases("integer_max_pool2d"), "integer_avg_pool2d": pool_cases("integer_avg_pool2d"),
        "integer_clamp": clamp_cases(), "integer_lookup": lookup_cases(), "integer_add": add_cases(),
        "integer_concat": concat_cases(), "integer_softmax": softmax_cases(),
    }
    for kind, cases in FILES.items():
        cases = list(cases)
        for case in cases:
            if case.get("output_quant"):
                low, high = RANGES[case["output_quant"]["dtype"]]
                assert all(isinstance(value, int) and low <= value <= high for value in case["output"]), case["name"]
        text = "\n".join([HEADER, *map(written, cases)])
        tomllib.loads(text)
        assert len({case["name"] for case in cases}) == len(cases), kind
        (LAYERS / f"{kind}.toml").write_bytes(text.encode())
        print(f"{kind}: {len(cases)} cases, {len(text):,} bytes")
