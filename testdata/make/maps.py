"""Writes testdata/layers/<kind>.toml of the layers on maps and of those that read several values, by PyTorch."""

import math

import torch
import torch.nn.functional as F

import case_file
from case_file import as_f32, normal
from layers import PYTORCH, Cases, batch_norm_pass


def pair(value):
    return [value, value] if isinstance(value, int) else list(value)


def sides(padding):
    """Top, left, bottom, right."""
    padding = pair(padding)
    return padding * 2 if len(padding) == 2 else padding


def padded(x, padding, value=0.0):
    top, left, bottom, right = sides(padding)
    return F.pad(x, [left, right, top, bottom], value=value)


def conv2d():
    cases = Cases("conv2d", script="maps.py")

    def add(name, shape, out_channels, kernel_size, batch, bias=True, stride=1, padding=0, dilation=1, groups=1, **rest):
        keys = {"out_channels": out_channels, "kernel_size": kernel_size}
        defaults = {"stride": (stride, 1), "padding": (padding, 0), "dilation": (dilation, 1), "groups": (groups, 1)}
        keys |= {key: value for key, (value, default) in defaults.items() if value != default}
        if not bias:
            keys["bias"] = False
        kernel = pair(kernel_size)
        if padding == "same":
            total = [step * (size - 1) for size, step in zip(kernel, pair(dilation))]
            padding = [total[0] // 2, total[1] // 2, total[0] - total[0] // 2, total[1] - total[1] // 2]

        def forward(x, p, s, training):
            x = padded(x, padding)
            return F.conv2d(x, p["weight"], p.get("bias"), pair(stride), 0, pair(dilation), groups)

        rng = case_file.generator(f"conv2d/{name}/params")
        fan_in = shape[0] // groups * kernel[0] * kernel[1]
        params = [("weight", normal(rng, [out_channels, shape[0] // groups, *kernel], 1 / math.sqrt(max(fan_in, 1))))]
        if bias:
            params.append(("bias", normal(rng, [out_channels])))
        cases.add(name, keys, shape, batch, forward, params, **rest)

    # In two files, for their size.
    add("one-by-one", [3, 4, 5], 2, 1, 2)
    add("three-by-three-same", [2, 5, 4], 3, 3, 2, padding="same")
    add("even-kernel-same", [2, 4, 5], 2, 2, 1, padding="same")
    add("lenet-first", [1, 7, 6], 6, 5, 1, padding=2)
    add("lenet-second", [6, 6, 5], 3, 5, 1)
    add("seventeen-filters", [2, 3, 4], 17, 2, 1)
    add("stride-two-odd", [2, 7, 6], 3, 3, 2, stride=2, padding=1)
    add("stride-by-side", [2, 7, 7], 2, [3, 2], 2, stride=[3, 1], padding=[1, 0])
    add("padding-by-side", [1, 4, 4], 2, 3, 2, padding=[1, 0, 2, 3])
    cases.write()
    cases = Cases("conv2d", script="maps.py")
    add("dilated", [2, 8, 7], 2, 3, 1, dilation=2, padding=1)
    add("dilated-by-side-strided", [1, 9, 8], 2, [2, 3], 2, dilation=[3, 2], stride=2, padding=[2, 1])
    add("groups", [4, 5, 5], 6, 3, 2, groups=2, padding=1)
    add("depthwise", [5, 6, 5], 5, 3, 2, groups=5, padding=1)
    add("depthwise-two-filters-a-channel", [3, 4, 4], 6, 3, 1, groups=3)
    add("no-bias", [2, 4, 4], 3, 3, 2, bias=False)
    add("kernel-is-the-map", [3, 3, 3], 4, 3, 2)
    add("one-pixel", [4, 1, 1], 3, 1, 2)
    add("row-of-pixels", [2, 1, 9], 3, [1, 3], 2)
    add("batch-of-none", [2, 4, 4], 3, 3, 0)
    add("many-channels", [33, 2, 3], 2, 2, 1, padding=1)
    cases.write("conv2d_more")


def output_keys(kernel_size, **given):
    return {"kernel_size": kernel_size} | {key: value for key, value in given.items() if value is not None}


def max_pool2d():
    cases = Cases("max_pool2d", "Of equal maxima the first in row-major order gets the gradient; NaN is larger than any number.",
                  "maps.py")

    def add(name, shape, kernel_size, batch, stride=None, padding=None, dilation=None, ceil_mode=None, **rest):
        keys = output_keys(kernel_size, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode)

        def forward(x, p, s, training):
            return F.max_pool2d(x, kernel_size, stride, padding or 0, dilation or 1, bool(ceil_mode))

        cases.add(name, keys, shape, batch, forward, **rest)

    add("two-by-two", [3, 4, 6], 2, 2)
    add("two-by-two-odd-size", [2, 5, 7], 2, 2)
    add("overlapping", [2, 7, 7], 3, 2, stride=2)
    add("padding", [2, 5, 5], 3, 2, stride=2, padding=1)
    add("dilation", [2, 7, 6], 2, 2, stride=1, dilation=2)
    add("ceil-mode", [2, 6, 7], 3, 2, stride=2, ceil_mode=True)
    add("ceil-mode-last-window-in-the-padding", [1, 5, 5], 2, 2, stride=2, padding=1, ceil_mode=True)
    add("by-side", [2, 6, 6], [3, 2], 2, stride=[1, 2], padding=[1, 0])
    add("ties", [1, 4, 4], 2, 1, inputs=torch.tensor([1.0, 1, 2, 0, 1, 1, 0, 2, -1, -1, 0, 0, -1, -1, 0, 0]))
    add("whole-map", [3, 3, 4], [3, 4], 2)
    nan = float("nan")
    add("nan-and-infinities", [1, 4, 4], 2, 1, gradient=False,
        inputs=torch.tensor([nan, 1, 2, 3, 0, 5, math.inf, 1, -math.inf, -math.inf, 1, nan, -math.inf, -math.inf, 2, 3]))
    add("batch-of-none", [2, 4, 4], 2, 0)
    cases.write()


def avg_pool2d():
    cases = Cases("avg_pool2d", script="maps.py")

    def add(name, shape, kernel_size, batch, stride=None, padding=None, ceil_mode=None, count_include_pad=None, **rest):
        keys = output_keys(kernel_size, stride=stride, padding=padding, ceil_mode=ceil_mode,
                           count_include_pad=count_include_pad)

        def forward(x, p, s, training):
            counts = True if count_include_pad is None else count_include_pad
            return F.avg_pool2d(x, kernel_size, stride, padding or 0, bool(ceil_mode), counts)

        cases.add(name, keys, shape, batch, forward, **rest)

    add("two-by-two", [3, 4, 6], 2, 2)
    add("odd-size", [2, 5, 7], 2, 2)
    add("overlapping", [2, 7, 7], 3, 2, stride=2)
    add("padding-counts", [2, 5, 5], 3, 2, stride=2, padding=1)
    add("padding-does-not-count", [2, 5, 5], 3, 2, stride=2, padding=1, count_include_pad=False)
    add("ceil-mode", [2, 6, 7], 3, 2, stride=2, ceil_mode=True)
    add("ceil-mode-padding", [2, 6, 7], 3, 2, stride=2, padding=1, ceil_mode=True)
    add("ceil-mode-padding-does-not-count", [2, 6, 7], 3, 2, stride=2, padding=1, ceil_mode=True, count_include_pad=False)
    add("by-side", [2, 6, 6], [3, 2], 2, stride=[1, 2], padding=[1, 0])
    add("batch-of-none", [2, 4, 4], 2, 0)
    cases.write()


def adaptive_avg_pool2d():
    cases = Cases("adaptive_avg_pool2d", script="maps.py")
    for name, shape, size, batch in [("half", [2, 4, 6], [2, 3], 2), ("odd", [3, 7, 5], [3, 2], 2), ("larger", [2, 2, 3], [5, 4], 1),
                                     ("same-size", [2, 3, 3], 3, 2), ("one-pixel", [17, 3, 2], 1, 2), ("batch-of-none", [2, 3, 3], 2, 0)]:
        pool = lambda x, p, s, training: F.adaptive_avg_pool2d(x, size) * 1
        cases.add(name, {"output_size": size}, shape, batch, pool)
    cases.write()


def global_avg_pool():
    cases = Cases("global_avg_pool", script="maps.py")
    for name, shape, batch in [("map", [3, 4, 5], 2), ("one-pixel", [4, 1, 1], 2), ("one-channel", [1, 7, 3], 3),
                               ("many-channels", [35, 2, 3], 1), ("batch-of-none", [2, 3, 3], 0)]:
        cases.add(name, {}, shape, batch, lambda x, p, s, training: x.mean([2, 3]))
    cases.write()


def global_max_pool():
    cases = Cases("global_max_pool", script="maps.py")
    for name, shape, batch in [("map", [3, 4, 5], 2), ("one-pixel", [4, 1, 1], 2), ("batch-of-none", [2, 3, 3], 0)]:
        cases.add(name, {}, shape, batch, lambda x, p, s, training: x.amax([2, 3]))
    cases.write()


def batch_norm_maps():
    cases = Cases("batch_norm", script="maps.py")

    def add(name, shape, batch, center=True, scale=True, mode="training"):
        keys = {**PYTORCH, "center": center, "scale": scale}
        channels = shape[0]
        rng = case_file.generator(f"batch_norm_maps/{name}/params")
        params = [("weight", normal(rng, [channels], 0.3, 1.0))] * scale + [("bias", normal(rng, [channels]))] * center
        state = [("running_mean", normal(rng, [channels])), ("running_variance", normal(rng, [channels]).abs() + 0.5)]

        def forward(x, p, s, training):
            rows = x.permute(0, 2, 3, 1).reshape(-1, channels)
            rest = [keys["epsilon"], keys["momentum"], keys["running_variance"]]
            rows = batch_norm_pass(rows, p.get("weight"), p.get("bias"), s, training, *rest)
            return rows.reshape(x.shape[0], *shape[1:], channels).permute(0, 3, 1, 2)

        cases.add(name, keys, shape, batch, forward, params, state, mode=mode)

    add("maps", [3, 4, 2], 3)
    add("maps-batch-of-one", [2, 3, 3], 1)
    add("maps-seventeen-channels", [17, 2, 2], 2)
    add("maps-neither-learnt", [2, 2, 3], 2, center=False, scale=False)
    add("maps-inference", [3, 2, 2], 2, mode="inference")
    cases.write("batch_norm_maps")


def several_values():
    cases = Cases("add", script="maps.py")
    for name, shape, batch, count in [("two", [5], 3, 2), ("three-maps", [3, 2, 4], 2, 3), ("one", [4], 2, 1),
                                      ("seven", [3], 2, 7), ("batch-of-none", [3], 0, 2)]:
        total = lambda x, p, s, training: sum(x) if isinstance(x, list) else x * 1
        cases.add(name, {}, shape, batch, total, more=[shape] * (count - 1))
    cases.write()
    cases = Cases("concat", script="maps.py")

    def add(name, shape, batch, more, axis=None):
        join = lambda x, p, s, training: torch.cat(x if isinstance(x, list) else [x], 1 + (axis or 0)) * 1
        cases.add(name, {} if axis is None else {"axis": axis}, shape, batch, join, more=more)

    add("features", [3], 2, [[4], [1]])
    add("channels", [2, 3, 2], 2, [[1, 3, 2], [3, 3, 2]])
    add("height", [2, 3, 2], 2, [[2, 1, 2]], axis=1)
    add("width", [2, 3, 2], 2, [[2, 3, 4]], axis=2)
    add("steps", [2, 3], 2, [[4, 3]], axis=0)
    add("features-of-steps", [2, 3], 2, [[2, 1]], axis=1)
    add("one", [4], 2, [])
    add("batch-of-none", [3], 0, [[2]])
    cases.write()


def upsample():
    cases = Cases("upsample", script="maps.py")
    for name, shape, factor, batch in [("twice", [2, 2, 3], 2, 2), ("three-times", [3, 1, 2], 3, 1),
                                       ("once", [2, 2, 2], 1, 2), ("batch-of-none", [1, 2, 2], 2, 0)]:
        def enlarged(x, p, s, training):
            return x.repeat_interleave(factor, 2).repeat_interleave(factor, 3) * 1
        cases.add(name, {"factor": factor}, shape, batch, enlarged)
    cases.write()


def trainable_pool2d():
    cases = Cases("trainable_pool2d", "output[c] = weight[c] * sum of the window + bias[c].", "maps.py")

    def add(name, shape, kernel_size, batch, stride=None, **rest):
        keys = output_keys(kernel_size, stride=stride)
        rng = case_file.generator(f"trainable_pool2d/{name}/params")
        params = [("weight", normal(rng, [shape[0]])), ("bias", normal(rng, [shape[0]]))]

        def forward(x, p, s, training):
            sums = F.avg_pool2d(x, kernel_size, stride, divisor_override=1)
            return sums * p["weight"][:, None, None] + p["bias"][:, None, None]

        cases.add(name, keys, shape, batch, forward, params, **rest)

    add("two-by-two", [3, 4, 6], 2, 2)
    add("odd-size", [2, 5, 7], 2, 2)
    add("three-by-three", [2, 6, 6], 3, 1)
    add("overlapping", [2, 7, 7], 3, 2, stride=2)
    add("gaps", [1, 7, 7], 2, 2, stride=3)
    add("by-side", [2, 6, 6], [3, 2], 2, stride=[1, 2])
    add("one-pixel-windows", [3, 2, 2], 1, 2)
    add("seventeen-channels", [17, 2, 4], 2, 2)
    add("batch-of-none", [2, 4, 4], 2, 0)
    add("inference", [3, 4, 4], 2, 2, mode="inference")
    cases.write()


def conv2d_table():
    cases = Cases("conv2d_table", "weight is [connections, kernel rows, kernel columns], in the order of the lists.",
                  "maps.py")

    def add(name, shape, connections, kernel_size, batch, **rest):
        count = sum(len(seen) for seen in connections)
        kernel = pair(kernel_size)
        rng = case_file.generator(f"conv2d_table/{name}/params")
        fan_in = count / len(connections) * kernel[0] * kernel[1]
        params = [("weight", normal(rng, [count, *kernel], 1 / math.sqrt(fan_in))), ("bias", normal(rng, [len(connections)]))]

        def forward(x, p, s, training):
            maps, first = [], 0
            for number, seen in enumerate(connections):
                weight = p["weight"][first:first + len(seen)].unsqueeze(0)
                maps.append(F.conv2d(x[:, seen], weight, p["bias"][number:number + 1]))
                first += len(seen)
            return torch.cat(maps, 1)

        keys = {"connections": connections, "kernel_size": kernel_size}
        cases.add(name, keys, shape, batch, forward, params, **rest)

    add("one-map-of-one", [1, 4, 5], [[0]], 3, 2)
    add("some-of-three", [3, 5, 4], [[0, 1], [1, 2], [2]], 3, 2)
    add("any-order", [4, 4, 4], [[3, 0], [2, 1, 3], [1]], 2, 2)
    add("a-channel-nobody-sees", [3, 4, 4], [[0, 2], [2]], 2, 1)
    add("full", [2, 4, 4], [[0, 1], [0, 1], [1, 0]], 2, 2)
    add("by-side", [2, 4, 5], [[1], [0]], [1, 3], 2)
    add("one-by-one", [3, 2, 3], [[0], [1, 2]], 1, 2)
    add("kernel-is-the-map", [3, 3, 3], [[0, 1], [2]], 3, 3)
    lenet = [[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5], [0, 4, 5], [0, 1, 5],
             [0, 1, 2, 3], [1, 2, 3, 4], [2, 3, 4, 5], [0, 3, 4, 5], [0, 1, 4, 5], [0, 1, 2, 5],
             [0, 1, 3, 4], [1, 2, 4, 5], [0, 2, 3, 5], [0, 1, 2, 3, 4, 5]]
    add("lenet-third", [6, 4, 3], lenet, 2, 2)
    add("batch-of-none", [2, 4, 4], [[1], [0, 1]], 2, 0)
    add("inference", [2, 4, 4], [[1], [0, 1]], 2, 2, mode="inference")
    cases.write()


def rbf():
    cases = Cases("rbf", "output[o] = -sum_i (input[i] - center[o, i])^2; the centers are constants.", "maps.py")

    def add(name, shape, out_features, batch, codes=False, **rest):
        rng = case_file.generator(f"rbf/{name}/state")
        center = normal(rng, [out_features, shape[-1]])
        state = [("center", torch.where(center < 0, -1.0, 1.0) if codes else center)]

        def forward(x, p, s, training):
            return -(x.unsqueeze(-2) - s["center"]).square().sum(-1)

        cases.add(name, {"out_features": out_features}, shape, batch, forward, state=state, **rest)

    add("lenet-last", [84], 10, 2, codes=True)
    add("odd-sizes", [7], 3, 3)
    add("one-of-one", [1], 1, 2)
    add("one-point", [17], 1, 2)
    add("large-magnitudes", [5], 3, 2, scale=1e3)
    add("sequence", [3, 5], 2, 2)
    add("batch-of-none", [5], 3, 0)
    add("inference", [6], 4, 2, mode="inference")
    cases.write()


def orders():
    cases = Cases("unflatten", script="maps.py")

    def add(name, shape, to, batch, order=None):
        keys = {"shape": to} | ({"order": order} if order else {})

        def forward(x, p, s, training):
            if order == "channels_last":
                return x.reshape(-1, to[1], to[2], to[0]).permute(0, 3, 1, 2) * 1
            return x.reshape(-1, *to) * 1

        cases.add(name, keys, shape, batch, forward)

    add("channels-first", [12], [3, 2, 2], 2)
    add("channels-last", [12], [3, 2, 2], 2, order="channels_last")
    add("channels-last-odd", [30], [5, 2, 3], 2, order="channels_last")
    add("two-axes", [6], [2, 3], 2)
    add("batch-of-none", [12], [3, 2, 2], 0)
    cases.write()
    cases = Cases("flatten", script="maps.py")
    for name, shape in [("channels-last", [3, 2, 2]), ("channels-last-odd", [5, 3, 2]), ("channels-last-of-one", [1, 4, 3])]:
        flat = lambda x, p, s, training: x.permute(0, 2, 3, 1).flatten(1) * 1
        cases.add(name, {"order": "channels_last"}, shape, 2, flat)
    cases.write("flatten_order")


def conv_transpose2d():
    cases = Cases("conv_transpose2d", script="maps.py")

    def add(name, shape, out_channels, kernel_size, batch, bias=True, stride=1, padding=0, output_padding=0, dilation=1, groups=1,
            **rest):
        keys = {"out_channels": out_channels, "kernel_size": kernel_size}
        defaults = {"stride": (stride, 1), "padding": (padding, 0), "output_padding": (output_padding, 0),
                    "dilation": (dilation, 1), "groups": (groups, 1)}
        keys |= {key: value for key, (value, default) in defaults.items() if value != default}
        if not bias:
            keys["bias"] = False

        def forward(x, p, s, training):
            more = [pair(stride), pair(padding), pair(output_padding), groups, pair(dilation)]
            return F.conv_transpose2d(x, p["weight"], p.get("bias"), *more)

        rng = case_file.generator(f"conv_transpose2d/{name}/params")
        params = [("weight", normal(rng, [shape[0], out_channels // groups, *pair(kernel_size)], 1 / math.sqrt(shape[0])))]
        if bias:
            params.append(("bias", normal(rng, [out_channels])))
        cases.add(name, keys, shape, batch, forward, params, **rest)

    add("unet-up", [6, 3, 4], 3, 2, 2, stride=2)
    add("one-by-one", [3, 2, 3], 2, 1, 2)
    add("overlapping", [2, 3, 4], 3, 3, 2, stride=2, padding=1)
    add("output-padding", [2, 3, 3], 2, 3, 2, stride=2, padding=1, output_padding=1)
    add("output-padding-by-side", [2, 3, 2], 2, 3, 1, stride=[3, 2], output_padding=[2, 0])
    add("stride-larger-than-the-kernel", [2, 2, 3], 2, 2, 2, stride=3)
    add("dilated", [2, 3, 3], 2, [2, 3], 2, dilation=[2, 1], stride=[1, 2])
    add("groups", [4, 3, 3], 6, 3, 1, groups=2, stride=2, padding=1)
    add("depthwise", [3, 3, 2], 3, 3, 2, groups=3, padding=1)
    add("no-bias", [2, 3, 3], 2, 2, 2, bias=False)
    add("many-channels", [17, 2, 2], 9, 2, 1, stride=2)
    add("one-pixel", [3, 1, 1], 2, [3, 2], 2)
    add("batch-of-none", [2, 3, 3], 3, 2, 0)
    cases.write()


def pad():
    cases = Cases("pad", script="maps.py")

    def add(name, shape, padding, batch, mode=None, value=None):
        keys = {"padding": padding} | ({"mode": mode} if mode else {}) | ({"value": value} if value else {})
        top, left, bottom, right = sides(padding)

        def forward(x, p, s, training):
            rest = [] if mode in ("reflect", "replicate") else [value or 0.0]
            return F.pad(x, [left, right, top, bottom], mode or "constant", *rest) * 1

        cases.add(name, keys, shape, batch, forward)

    add("zeros", [2, 3, 4], 2, 2)
    add("zeros-by-side", [3, 2, 3], [1, 0, 2, 3], 2)
    add("number", [1, 2, 2], [1, 2], 2, value=-1.5)
    add("mirror", [2, 4, 3], [3, 1, 2, 2], 2, mode="reflect")
    add("edge", [2, 2, 3], [1, 4, 3, 0], 2, mode="replicate")
    add("none", [2, 2, 2], 0, 1)
    add("batch-of-none", [2, 2, 2], 1, 0)
    cases.write()


def center_crop():
    cases = Cases("center_crop", "An odd rest is cut off below and to the right.", "maps.py")
    for name, shape, size, batch in [("even", [2, 6, 4], [2, 2], 2), ("odd-rest", [3, 5, 4], [2, 3], 2), ("all", [2, 3, 3], 3, 1),
                                     ("one-pixel", [2, 4, 5], 1, 2), ("batch-of-none", [2, 4, 4], 2, 0)]:
        rows, cols = pair(size)
        top, left = (shape[1] - rows) // 2, (shape[2] - cols) // 2
        crop = lambda x, p, s, training: x[:, :, top:top + rows, left:left + cols] * 1
        cases.add(name, {"size": size}, shape, batch, crop)
    cases.write()


def lrn():
    cases = Cases("lrn", "An even size looks one channel further ahead (ONNX, MATLAB); PyTorch's looks one further back, so the\n"
                  "channels are turned round for it. Without divide_by_size alpha is not divided: PyTorch gets size times as much.",
                  "maps.py")

    def add(name, shape, size, batch, alpha=None, beta=None, k=None, divide=True, **rest):
        given = {"alpha": alpha, "beta": beta, "k": k}
        keys = {"size": size} | {key: value for key, value in given.items() if value is not None}
        if not divide:
            keys["divide_by_size"] = False
        f32 = lambda value: as_f32(torch.tensor(value)).item()
        alpha, beta, k = f32(1e-4 if alpha is None else alpha), f32(0.75 if beta is None else beta), 1.0 if k is None else k

        def forward(x, p, s, training):
            x = x if x.dim() == 4 else x[:, :, None, None]
            turned = x.flip(1) if size % 2 == 0 else x
            y = F.local_response_norm(turned, size, alpha if divide else alpha * size, beta, k)
            y = y.flip(1) if size % 2 == 0 else y
            return y.reshape(-1, *shape)

        cases.add(name, keys, shape, batch, forward, **rest)

    add("alexnet", [7, 2, 3], 5, 2, k=2.0, divide=False, scale=20.0)
    add("default", [6, 2, 2], 5, 2, scale=30.0)
    add("strong", [5, 3, 2], 3, 2, alpha=1.0)
    add("even", [6, 2, 2], 4, 2, alpha=2.0)
    add("two", [4, 2, 2], 2, 1, alpha=1.0, beta=0.5)
    add("other-power", [5, 2, 2], 3, 2, alpha=1.0, beta=0.6)
    add("power-of-one", [5, 2, 2], 3, 2, alpha=1.0, beta=1.0, k=0.5)
    add("one-channel", [1, 3, 3], 5, 2, alpha=1.0)
    add("window-of-one", [3, 2, 2], 1, 2, alpha=1.0)
    add("wider-than-the-channels", [3, 2, 2], 9, 2, alpha=3.0)
    add("many-channels", [35, 1, 2], 5, 2, alpha=1.0, k=2.0)
    add("row", [9], 3, 2, alpha=1.0)
    add("batch-of-none", [3, 2, 2], 3, 0)
    cases.write()


def locally_connected2d():
    cases = Cases("locally_connected2d", "weight[(y * columns + x) * out_channels + o, i, j, c] belongs to output o, y, x.", "maps.py")

    def add(name, shape, out_channels, kernel_size, batch, bias=True, stride=1, padding=0, **rest):
        keys = {"out_channels": out_channels, "kernel_size": kernel_size}
        keys |= {key: value for key, (value, default) in {"stride": (stride, 1), "padding": (padding, 0)}.items() if value != default}
        if not bias:
            keys["bias"] = False
        kernel, steps, (top, left, bottom, right) = pair(kernel_size), pair(stride), sides(padding)
        rows = (shape[1] + top + bottom - kernel[0]) // steps[0] + 1
        cols = (shape[2] + left + right - kernel[1]) // steps[1] + 1

        def forward(x, p, s, training):
            windows = F.unfold(padded(x, padding), kernel, stride=steps)
            weight = p["weight"].permute(0, 3, 1, 2).reshape(rows * cols, out_channels, -1)
            y = torch.einsum("bkp,pok->bpo", windows, weight)
            y = y + p["bias"].reshape(rows * cols, out_channels) if bias else y
            return y.permute(0, 2, 1).reshape(-1, out_channels, rows, cols)

        rng = case_file.generator(f"locally_connected2d/{name}/params")
        params = [("weight", normal(rng, [rows * cols * out_channels, *kernel, shape[0]], 1 / math.sqrt(shape[0] * kernel[0] * kernel[1])))]
        if bias:
            params.append(("bias", normal(rng, [rows * cols * out_channels])))
        cases.add(name, keys, shape, batch, forward, params, **rest)

    add("plain", [2, 4, 3], 3, 2, 2)
    add("strided", [2, 5, 5], 2, 3, 2, stride=2)
    add("padded-by-side", [1, 3, 3], 2, [2, 3], 2, padding=[1, 0, 0, 2])
    add("no-bias", [3, 3, 3], 1, 2, 1, bias=False)
    add("window-is-the-map", [2, 3, 2], 4, [3, 2], 2)
    add("many-channels", [17, 2, 2], 2, 2, 2, padding=1)
    add("batch-of-none", [2, 3, 3], 2, 2, 0)
    cases.write()


def softmax_of_maps():
    for kind, function in [("softmax", F.softmax), ("log_softmax", F.log_softmax)]:
        cases = Cases(kind, script="maps.py")
        for name, shape, axis, batch in [("maps", [3, 2, 4], 0, 2), ("maps-of-seventeen", [17, 2, 1], 0, 2), ("one-channel", [1, 2, 2], 0, 1),
                                         ("row", [5], 0, 2), ("steps", [2, 3], 1, 2), ("batch-of-none", [2, 2, 2], 0, 0)]:
            cases.add(name, {"axis": axis}, shape, batch, lambda x, p, s, training: function(x, 1 + axis), scale=3.0)
        cases.write(f"{kind}_maps")


def upsample_bilinear():
    cases = Cases("upsample", script="maps.py")
    for name, shape, factor, batch in [("lines-by-two", [2, 3, 4], 2, 2), ("lines-by-three", [3, 2, 2], 3, 2), ("lines-of-one-pixel", [2, 1, 1], 2, 2),
                                       ("lines-by-four-of-a-row", [17, 1, 3], 4, 1), ("lines-by-one", [2, 2, 2], 1, 1),
                                       ("lines-batch-of-none", [1, 2, 2], 2, 0)]:
        def forward(x, p, s, training):
            size = [factor * shape[1], factor * shape[2]]
            return F.interpolate(x, size=size, mode="bilinear", align_corners=False) * 1
        cases.add(name, {"factor": factor, "mode": "bilinear"}, shape, batch, forward)
    cases.write("upsample_lines")


def masked_linear():
    cases = Cases("masked_linear", script="maps.py")

    def add(name, shape, out_features, batch, share, bias=True, **rest):
        rng = case_file.generator(f"masked_linear/{name}/params")
        size = [out_features, shape[-1]]
        params = [("weight", normal(rng, size))] + ([("bias", normal(rng, [out_features]))] if bias else [])
        mask = (torch.rand(size, generator=rng, dtype=torch.float64) < share).double()
        forward = lambda x, p, s, training: F.linear(x, p["weight"] * s["mask"], p.get("bias"))
        keys = {"out_features": out_features} | ({} if bias else {"bias": False})
        cases.add(name, keys, shape, batch, forward, params, [("mask", mask)], **rest)

    add("half", [7], 5, 3, 0.5)
    add("all", [3], 4, 2, 2.0)
    add("nothing-is-left", [4], 3, 2, -1.0)
    add("sequence-no-bias", [2, 5], 3, 2, 0.4, bias=False)
    add("seventeen", [17], 17, 1, 0.3)
    add("batch-of-none", [3], 2, 0, 0.5)
    add("inference", [6], 4, 2, 0.5, mode="inference")
    cases.write()


def sparse_linear():
    cases = Cases("sparse_linear", script="maps.py")

    def add(name, shape, out_features, batch, share, bias=True, **rest):
        rng = case_file.generator(f"sparse_linear/{name}/params")
        rows, columns = torch.nonzero(torch.rand([out_features, shape[-1]], generator=rng, dtype=torch.float64) < share, as_tuple=True)
        lengths = torch.bincount(rows, minlength=out_features)
        params = [("weight", normal(rng, [len(rows)]))] + ([("bias", normal(rng, [out_features]))] if bias else [])

        def forward(x, p, s, training):
            # The places are not changed by the pass, whatever their type.
            full = torch.zeros(out_features, shape[-1], dtype=x.dtype).index_put((rows, columns), p["weight"])
            return F.linear(x, full, p.get("bias"))

        keys = {"out_features": out_features, "nonzeros": len(rows)} | ({} if bias else {"bias": False})
        cases.add(name, keys, shape, batch, forward, params, [("row_lengths", lengths.double()), ("columns", columns.double())], **rest)

    add("half", [7], 5, 3, 0.5)
    add("all", [3], 4, 2, 2.0)
    add("nothing-is-there", [4], 3, 2, -1.0)
    add("sequence-no-bias", [2, 5], 3, 2, 0.4, bias=False)
    add("long-rows", [41], 3, 2, 0.8)
    add("many-rows", [6], 37, 1, 0.3)
    add("batch-of-none", [3], 2, 0, 0.5)
    add("inference", [6], 4, 2, 0.5, mode="inference")
    cases.write()


def lines():
    cases = Cases("conv1d", script="maps.py")

    def add(name, shape, out_channels, kernel_size, batch, bias=True, **given):
        keys = {"out_channels": out_channels, "kernel_size": kernel_size, **given} | ({} if bias else {"bias": False})
        groups = given.get("groups", 1)
        rest = [given.get("stride", 1), given.get("padding", 0), given.get("dilation", 1), groups]
        rng = case_file.generator(f"conv1d/{name}/params")
        fan_in = shape[0] // groups * kernel_size
        params = [("weight", normal(rng, [out_channels, shape[0] // groups, kernel_size], 1 / math.sqrt(fan_in)))]
        params += [("bias", normal(rng, [out_channels]))] * bias
        forward = lambda x, p, s, training: F.conv1d(x, p["weight"], p.get("bias"), *rest)
        cases.add(name, keys, shape, batch, forward, params)

    add("plain", [3, 7], 4, 3, 2)
    add("one-channel", [1, 9], 5, 4, 2)
    add("strided-padded", [2, 8], 3, 3, 2, stride=2, padding=2)
    add("dilated", [2, 9], 2, 3, 1, dilation=3)
    add("groups", [4, 6], 6, 2, 2, groups=2)
    add("no-bias-one-step", [3, 5], 2, 1, 2, bias=False)
    add("many-channels", [17, 3], 18, 2, 2, padding=1)
    add("batch-of-none", [2, 5], 3, 2, 0)
    cases.write()

    def pools(kind, pool):
        cases = Cases(kind, script="maps.py")

        def add(name, shape, kernel_size, batch, **given):
            forward = lambda x, p, s, training: pool(x, kernel_size, **given) * 1
            cases.add(name, {"kernel_size": kernel_size, **given}, shape, batch, forward)

        add("side-by-side", [3, 8], 2, 2)
        add("odd-length", [2, 7], 3, 2)
        add("overlapping-padded", [17, 6], 3, 2, stride=2, padding=1)
        add("ceil-mode", [2, 8], 3, 2, stride=2, ceil_mode=True)
        if kind == "max_pool1d":
            add("dilated", [2, 8], 2, 2, stride=1, dilation=3)
        else:
            add("padding-does-not-count", [2, 6], 3, 2, stride=2, padding=1, count_include_pad=False)
        add("batch-of-none", [2, 4], 2, 0)
        cases.write()

    pools("max_pool1d", F.max_pool1d)
    pools("avg_pool1d", F.avg_pool1d)


if __name__ == "__main__":
    case_file.settle()
    for make in [conv2d, max_pool2d, avg_pool2d, adaptive_avg_pool2d, global_avg_pool, global_max_pool, batch_norm_maps, several_values, upsample,
                 trainable_pool2d, conv2d_table, rbf, orders, conv_transpose2d, pad, center_crop, lrn, locally_connected2d,
                 softmax_of_maps, upsample_bilinear, masked_linear, sparse_linear, lines]:
        make()
