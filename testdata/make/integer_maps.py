"""Writes testdata/integer/maps.json: convolutions, poolings and softmax in whole numbers.

    python testdata/make/integer_maps.py

Plain Python integers, nothing else: sums of any size, wrapped where the definition wraps; padded maps are written out, transposed
convolutions scatter, poolings collect lists. Double rounding is gemmlowp's pair of functions, the softmax of 8 bits its fixed-point
functions one by one, so that neither has the shape that the code under test has. docs/integer-cases.md is the format.
"""

import itertools
import json
import math
import pathlib
import random
import zlib

TESTDATA = pathlib.Path(__file__).resolve().parent.parent
BYTE, HALF, WORD, NIBBLE = (-128, 127), (-32768, 32767), (-(2**31), 2**31 - 1), (-8, 7)


# Roundings


def wrap(value, bits=32):
    return (value + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)


def clamp(value, low, high):
    return max(low, min(high, value))


def toward_zero(a, b):
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def high_mul(a, b):
    """gemmlowp: SaturatingRoundingDoublingHighMul."""
    if a == b == WORD[0]:
        return WORD[1]
    product = a * b
    return toward_zero(product + (2**30 if product >= 0 else 1 - 2**30), 2**31)


def divide_by_power(value, exponent):
    """gemmlowp: RoundingDivideByPOT."""
    quotient, rest = divmod(abs(value), 2**exponent)
    return (quotient + (2 * rest >= 2**exponent and exponent > 0)) * (-1 if value < 0 else 1)


def double_rounding(total, multiplier, shift):
    return divide_by_power(high_mul(wrap(total * 2 ** max(shift, 0)), multiplier), max(-shift, 0))


def single_rounding(total, multiplier, shift):
    return math.floor((total * multiplier + 2 ** (30 - shift)) // 2 ** (31 - shift))


def reduced(total, multiplier, shift):
    upper = (multiplier + 2**15) // 2**16 if multiplier < 0x7FFF0000 else 0x7FFF
    return (wrap(wrap(total * upper, 64) // 2 ** (14 - shift)) + 1) // 2


def shifted(total, out_shift, floor):
    half = 0 if floor else 2**out_shift // 2
    return wrap(total + half) // 2**out_shift


# Sums


def place(shape, *at):
    index = 0
    for size, one in zip(shape, at):
        index = index * size + one
    return index


def outputs_of(g):
    return [(g["map"][axis] + g["padding"][axis] + g["padding"][axis + 2] - g["dilation"][axis] * (g["kernel"][axis] - 1) - 1)
            // g["stride"][axis] + 1 for axis in range(2)]


def padded(g, x, value):
    height, width, channels = g["map"]
    top, left, bottom, right = g["padding"]
    rows = [[[value] * channels for _ in range(left + width + right)] for _ in range(top + height + bottom)]
    for r, q, c in itertools.product(range(height), range(width), range(channels)):
        rows[top + r][left + q][c] = x[place(g["map"], r, q, c)]
    return rows


def conv_sums(g, x, w, zero_point):
    """Sums without limit, without bias, [rows][columns][filters]."""
    rows, cols = outputs_of(g)
    filters, own = g["n"], g["map"][2] // g["groups"]
    values = padded(g, x, zero_point)
    sums = []
    for y, q, o in itertools.product(range(rows), range(cols), range(filters)):
        first = o // (filters // g["groups"]) * own
        total = 0
        for i, j, c in itertools.product(range(g["kernel"][0]), range(g["kernel"][1]), range(own)):
            value = values[y * g["stride"][0] + i * g["dilation"][0]][q * g["stride"][1] + j * g["dilation"][1]][first + c]
            total += (value - zero_point) * w[place((filters, *g["kernel"], own), o, i, j, c)]
        sums.append(total)
    return sums


def transposed_sums(g, x, w, zero_point):
    """The same of a transposed convolution: each number of the input adds its window to the map."""
    rows, cols = outputs_of(g)
    height, width, filters = g["map"]
    channels = g["d"]
    sums = [0] * (height * width * filters)
    for r, q, c in itertools.product(range(rows), range(cols), range(channels)):
        value = x[place((rows, cols, channels), r, q, c)] - zero_point
        for i, j, o in itertools.product(range(g["kernel"][0]), range(g["kernel"][1]), range(filters)):
            y = r * g["stride"][0] + i * g["dilation"][0] - g["padding"][0]
            z = q * g["stride"][1] + j * g["dilation"][1] - g["padding"][1]
            if 0 <= y < height and 0 <= z < width:
                sums[place(g["map"], y, z, o)] += value * w[place((filters, *g["kernel"], channels), o, i, j, c)]
    return sums


def windows(g, x):
    """The numbers of each window that are inside of the map, [rows][columns][channels]."""
    rows, cols = outputs_of(g)
    values = padded(g, x, None)
    found = []
    for y, q, c in itertools.product(range(rows), range(cols), range(g["map"][2])):
        taps = itertools.product(range(g["kernel"][0]), range(g["kernel"][1]))
        own = [values[y * g["stride"][0] + i * g["dilation"][0]][q * g["stride"][1] + j * g["dilation"][1]][c] for i, j in taps]
        found.append([value for value in own if value is not None])
    return found


# Softmax


def exp_of_negative(a):
    """gemmlowp: exp_on_negative_values, of 26 bits behind the point."""
    if a == 0:
        return WORD[1]
    quarter = 2**24
    within = a % quarter - quarter
    x = clamp(within * 2**5, *WORD) + 2**28
    x2 = high_mul(x, x)
    x3, x4 = high_mul(x2, x), high_mul(x2, x2)
    inner = divide_by_power(high_mul(divide_by_power(x4, 2) + x3, 715827883) + x2, 1)
    result = clamp(1895147668 + high_mul(1895147668, x + inner), *WORD)
    powers = [1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242]
    for bit, power in enumerate(powers):
        if (within - a) >> (24 + bit) & 1:
            result = high_mul(result, power)
    return result


def one_over_one_plus(a):
    """gemmlowp: one_over_one_plus_x_for_x_in_0_1, of 31 bits behind the point."""
    half = toward_zero(a + WORD[1] + 1, 2)
    x = 1515870810 + high_mul(half, -1010580540)
    for _ in range(3):
        x += clamp(high_mul(x, 2**29 - high_mul(half, x)) * 4, *WORD)
    return clamp(x * 2, *WORD)


def softmax_s8(row, multiplier, shift, diff_min):
    largest = max(row)
    exps = [exp_of_negative(high_mul(wrap((value - largest) * 2**shift), multiplier)) if value - largest >= diff_min else None
            for value in row]
    total = sum(divide_by_power(part, 12) for part in exps if part is not None)
    headroom = 32 - total.bit_length()
    scale = one_over_one_plus(total * 2**headroom - 2**31)
    return [-128 if part is None else clamp(divide_by_power(high_mul(scale, part), 12 - headroom + 31 - 8) - 128, *BYTE)
            for part in exps]


def line(value, table):
    index, along = divmod(value + 32768, 128)
    return table[index] + ((table[index + 1] - table[index]) * along + 64) // 128


def softmax_s16(row, multiplier, shift, exp_table, one_over_table):
    largest = max(row)
    parts = [line(clamp(double_rounding(value - largest, multiplier, shift) + 32767, *HALF), exp_table) for value in row]
    total = sum(parts)
    bits = total.bit_length()
    scaled = (total * 2 ** (31 - bits) + 2**13) // 2**14
    share = line(clamp(scaled - 2**16 - 2**15, *HALF), one_over_table)
    return [clamp((part * share + 2 ** (bits - 2)) // 2 ** (bits - 1), 0, 32767) for part in parts]


def softmax_q7(row):
    base = max(row) - 8
    total = sum(2 ** clamp(value - base, 0, 7) for value in row)
    return [clamp((2**20 // total) >> clamp(13 + base - value, 0, 31), *BYTE) for value in row]


def softmax_q15(row):
    base = max(row) - 16
    total = sum(2 ** (value - base) for value in row if value > base)
    return [clamp((2**32 // total) >> (17 + base - value), *HALF) if value > base else 0 for value in row]


def table(function, low, high):
    """513 entries of a function as numbers of 15 bits behind the point, each lowered by half of the error in the middle to the next."""
    def at(place):
        return round(32768 * function(low + (high - low) * place / 512))
    entries = []
    for index in range(512):
        error = round((at(index) + at(index + 1)) / 2) - at(index + 0.5)
        entries.append(clamp(at(index) - round(error / 2), *HALF))
    return entries + [clamp(at(512), *HALF)]


# Cases


def draw(dice, count, limits, extreme=False):
    return [dice.choice(limits) if extreme or dice.random() < 0.1 else dice.randint(*limits) for _ in range(count)]


TYPES = {  # of activations, weights, biases, and the scheme
    "q7": (BYTE, BYTE, BYTE, "power"),
    "q15": (HALF, HALF, HALF, "power"),
    "q7_q15": (HALF, BYTE, BYTE, "power"),
    "s8": (BYTE, BYTE, WORD, "affine"),
    "s4": (BYTE, NIBBLE, WORD, "affine"),
    "s16x8": (HALF, BYTE, (-(2**40), 2**40), "wide"),
    "s16": (HALF, HALF, (-(2**40), 2**40), "wide"),
}

GEOMETRIES = {  # map without channels, kernel, stride, padding, dilation
    "one-number": ((1, 1), (1, 1), (1, 1), (0, 0, 0, 0), (1, 1)),
    "dense": ((5, 7), (3, 3), (1, 1), (0, 0, 0, 0), (1, 1)),
    "padding-on-four-sides": ((4, 3), (3, 2), (1, 1), (1, 2, 3, 0), (1, 1)),
    "stride-that-leaves-rows-over": ((6, 5), (2, 3), (3, 2), (0, 1, 1, 0), (1, 1)),
    "dilation": ((7, 6), (3, 2), (2, 1), (2, 0, 1, 2), (2, 3)),
    "kernel-as-large-as-the-map": ((4, 5), (4, 5), (1, 1), (0, 0, 0, 0), (1, 1)),
}


def geometry(name):
    size, kernel, stride, padding, dilation = GEOMETRIES[name]
    return {"size": list(size), "kernel": list(kernel), "stride": list(stride), "padding": list(padding), "dilation": list(dilation)}


def scheme_outputs(case, kind, sums, filters, dice, kind_of_numbers):
    """Adds biases, scales and recorded outputs to a case of sums without limit."""
    out_range, _, bias_range, scheme = TYPES[kind]
    case["bias"] = bias = draw(dice, filters, bias_range)
    if scheme == "power":
        size = max(1, max(map(abs, sums))).bit_length()
        case["bias_shift"] = dice.randint(0, 12)
        case["out_shift"] = clamp(size - (7 if out_range is BYTE else 15) + dice.randint(-1, 1), 0, 30)
        totals = [wrap(total + bias[at % filters] * 2 ** case["bias_shift"]) for at, total in enumerate(sums)]
        for name, floor in [("y", False), ("y_truncate", True)]:
            case[name] = [clamp(shifted(total, case["out_shift"], floor), *out_range) for total in totals]
        return
    scales = filters if dice.random() < 0.5 and kind_of_numbers != "ties" else 1
    size = max(1, max(map(abs, sums))).bit_length() - (7 if scheme == "affine" else 15)
    if kind_of_numbers != "full-scale":
        # As large as sums are, so that not all outputs are at the ends.
        case["bias"] = bias = draw(dice, filters, (-(2 ** max(size + 6, 0)), 2 ** max(size + 6, 0)))
    case["mult"] = [dice.randint(2**30, 2**31 - 1) for _ in range(scales)]
    case["shift"] = [clamp(dice.randint(-size - 1, 1 - size), -31, 7) for _ in range(scales)]
    if kind_of_numbers == "ties":
        # One quarter: every fourth sum lies between two outputs.
        case["mult"], case["shift"] = [2**30], [-1]
    scale = lambda at: (case["mult"][at % scales], case["shift"][at % scales])
    totals = [total + bias[at % filters] for at, total in enumerate(sums)]
    if scheme == "wide":
        case["y"] = [clamp(reduced(total, *scale(at)), *HALF) for at, total in enumerate(totals)]
        return
    case["output_offset"] = dice.randint(-128, 127)
    case["lo"], case["hi"] = dice.choice([(-128, 127), (-100, 90)])
    for name, rounding in [("y", double_rounding), ("y_single_rounding", single_rounding)]:
        case[name] = [clamp(rounding(wrap(total), *scale(at)) + case["output_offset"], case["lo"], case["hi"])
                      for at, total in enumerate(totals)]


def conv_case(kind, where, groups=1, filters=2, own=2, numbers="any", transposed=False):
    name = f"{where}-{groups}-groups-{numbers}"
    family = ("conv_transpose2d_" if transposed else "conv2d_") + kind
    dice = random.Random(zlib.crc32(f"{family}-{name}".encode()))
    g = geometry(where)
    case = {"family": family, "name": name, "map": g.pop("size") + [filters if transposed else groups * own], **g}
    if transposed:
        case["d"] = own
        inputs = outputs_of(case)[0] * outputs_of(case)[1] * own
    else:
        case["n"], case["groups"] = filters, groups
        inputs = math.prod(case["map"])
    of_input, of_weight, _, scheme = TYPES[kind]
    if numbers == "ties":
        of_input, of_weight = (-10, 10), (-3, 3)
    case["x"] = x = draw(dice, inputs, of_input, numbers == "full-scale")
    case["w"] = w = draw(dice, filters * math.prod(case["kernel"]) * own, of_weight, numbers == "full-scale")
    zero_point = 0
    if scheme == "affine":
        zero_point = dice.randint(*of_input)
        case["input_offset"] = -zero_point
    sums = (transposed_sums if transposed else conv_sums)(case, x, w, zero_point)
    scheme_outputs(case, kind, sums, filters, dice, numbers)
    return case


def pool_case(family, where, channels):
    dice = random.Random(zlib.crc32(f"{family}-{where}".encode()))
    g = geometry(where)
    case = {"family": family, "name": where, "map": g.pop("size") + [channels], **g}
    limits = BYTE if family.endswith(("s8", "q7")) else HALF
    case["x"] = x = draw(dice, math.prod(case["map"]), limits)
    found = windows(case, x)
    if family.startswith("max_pool"):
        case["lo"], case["hi"] = limits if where == "dense" else (-100, 90)
        case["y"] = [clamp(max(own, default=case["lo"]), case["lo"], case["hi"]) for own in found]
    elif family in ("avg_pool_s8", "avg_pool_s16"):
        case["lo"], case["hi"] = limits if where == "dense" else (-100, 90)
        rounded = [toward_zero(2 * sum(own) + len(own) * (1 if sum(own) > 0 else -1), 2 * len(own)) for own in found]
        case["y"] = [clamp(value, case["lo"], case["hi"]) for value in rounded]
    else:
        case["y"] = [toward_zero(sum(own), len(own)) for own in found]
    return case


def softmax_cases():
    for family, cols in itertools.product(["softmax_q7", "softmax_q15"], [1, 3, 10]):
        dice = random.Random(zlib.crc32(f"{family}-{cols}".encode()))
        limits = {1: BYTE, 3: (-60, 60), 10: (-4, 4)}[cols]
        x = draw(dice, 2 * cols, limits)
        call = softmax_q7 if family == "softmax_q7" else softmax_q15
        yield {"family": family, "name": f"{cols}-columns", "d": cols, "x": x, "y": call(x[:cols]) + call(x[cols:])}
    for cols, scale in itertools.product([1, 2, 10, 37], [1 / 16, 0.1, 1.0]):
        dice = random.Random(zlib.crc32(f"softmax_s8-{cols}-{scale}".encode()))
        fraction, shift = math.frexp(scale * 2**26)
        multiplier = min(round(fraction * 2**31), 2**31 - 1)
        diff_min = -math.floor(31 * 2**26 / 2**shift)
        x = draw(dice, 2 * cols, BYTE if scale < 0.5 else (-4, 4))
        y = softmax_s8(x[:cols], multiplier, shift, diff_min) + softmax_s8(x[cols:], multiplier, shift, diff_min)
        yield {"family": "softmax_s8", "name": f"{cols}-columns-scale-{scale}", "d": cols, "mult": multiplier, "shift": shift,
               "diff_min": diff_min, "x": x, "y": y}
    tables = {"exp": table(math.exp, -10.0, 0.0), "one_over_one_plus": table(lambda x: 1 / (1 + x), 0.0, 1.0)}
    for cols, scale in [(1, 1.0), (10, 1 / 4096), (37, 0.003)]:
        dice = random.Random(zlib.crc32(f"softmax_s16-{cols}-{scale}".encode()))
        fraction, shift = math.frexp(scale * 6553.5)
        multiplier = min(round(fraction * 2**31), 2**31 - 1)
        x = draw(dice, 2 * cols, HALF if scale < 0.001 else (-2000, 2000))
        y = [value for row in (x[:cols], x[cols:]) for value in softmax_s16(row, multiplier, shift, *tables.values())]
        yield {"family": "softmax_s16", "name": f"{cols}-columns-scale-{scale}", "d": cols, "mult": multiplier, "shift": shift,
               **tables, "x": x, "y": y}


def all_cases():
    for kind in TYPES:
        for where in GEOMETRIES:
            yield conv_case(kind, where)
        yield conv_case(kind, "padding-on-four-sides", groups=3, filters=6, own=1)
        yield conv_case(kind, "dilation", groups=2, filters=4, own=3)
        yield conv_case(kind, "dense", numbers="full-scale")
        if TYPES[kind][3] == "affine":
            yield conv_case(kind, "dense", numbers="ties")
        if kind != "s4":
            for where in GEOMETRIES:
                yield conv_case(kind, where, filters=3, transposed=True)
            yield conv_case(kind, "dense", filters=2, own=3, numbers="full-scale", transposed=True)
    for family in ["max_pool_s8", "max_pool_s16", "avg_pool_s8", "avg_pool_s16", "avg_pool_q7", "avg_pool_q15"]:
        for where in GEOMETRIES:
            # A window on padding alone has no mean.
            if family.startswith("max_pool") or all(windows({**geometry(where), "map": geometry(where)["size"] + [1]},
                                                            [0] * math.prod(geometry(where)["size"]))):
                yield pool_case(family, where, 3)
    yield from softmax_cases()


if __name__ == "__main__":
    cases = list(all_cases())
    text = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    (TESTDATA / "integer" / "maps.json").write_text(f"[\n{text}\n]\n")
    print(len(cases), "cases")
