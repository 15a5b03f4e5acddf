"""Writes testdata/layers/<kind>.toml: what each layer does to small inputs, forward and backward, by PyTorch."""

import torch
import torch.nn.functional as F

import case_file
from case_file import as_f32, normal, uniform

FORMAT = """
[[case]]       name (what is odd about it), layer (kind and its keys), input_shape (one sample), batch,
               mode ("training" or "inference"), then flat arrays, batch x sample, row-major:
  inputs       f32 values
  grad_output  f32 values; absent in a case that looks at the forward pass only (then no `grad` either)
  output, grad_input   in float64
  tolerance    absolute, a tensor each: max(8 x PyTorch's own f32 error, 2e-6 x the largest magnitude, 1e-7).
               "weight", "bias" bound the gradient of that parameter, "running_..." the state after the pass.
               NaN is expected where `output` says nan, and infinities with their sign.
[[case.more]]    shape, inputs, grad_input of each further input, for layers that read several values
[[case.params]]  role, shape, values, grad (of this pass alone)
[[case.state]]   role, shape, values before the pass, after (absent where the pass does not change it)
"""


class Cases:
    """The cases of one layer kind, and the text of its file."""

    def __init__(self, kind, note="", script="layers.py"):
        self.kind, self.note, self.script, self.tables, self.names = kind, note, script, [], set()

    def add(self, name, layer, shape, batch, forward, params=(), state=(), inputs=None, mode="training",
            gradient=True, grad_output=None, scale=1.0, shift=0.0, more=()):
        """Runs `forward(input, params, state, training)` in f64 and in f32 and keeps the results as one case.

        With the shapes of `more` inputs, `forward` gets a list of all of them.

        `params` and `state` are pairs of role and f32 values; `forward` gets them as dicts, and puts new values into
        `state` where a pass changes it.
        """
        assert name not in self.names, name
        self.names.add(name)
        rng = case_file.generator(f"{self.kind}/{name}")
        inputs = normal(rng, [batch, *shape], scale, shift) if inputs is None else as_f32(inputs).reshape(batch, *shape)
        gradient = gradient and mode == "training"
        params, state = list(params), list(state)
        more = [normal(rng, [batch, *shape]) for shape in more]

        def run(dtype):
            x = inputs.to(dtype, copy=True).requires_grad_()
            others = [values.to(dtype, copy=True).requires_grad_() for values in more]
            p = {role: value.to(dtype, copy=True).requires_grad_() for role, value in params}
            s = {role: value.to(dtype, copy=True) for role, value in state}
            output = forward([x, *others] if more else x, p, s, mode == "training")
            got = {"output": output.detach()}
            if gradient:
                nonlocal grad_output
                if grad_output is None:
                    grad_output = normal(rng, list(output.shape))
                output.backward(grad_output.to(dtype))
                names = [(f"more {index}", leaf) for index, leaf in enumerate(others)]
                for role, leaf in [("grad_input", x), *names, *p.items()]:
                    got[role] = torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
            for role, value in state:
                if not torch.equal(s[role], value.to(dtype)):
                    got[role] = s[role].detach()
            return got

        grad_output = None if grad_output is None else as_f32(grad_output)
        want, single = run(torch.float64), run(torch.float32)
        self.tables.append(case_file.table("[[case]]", {
            "name": name,
            "layer": {"kind": self.kind, **layer},
            "input_shape": list(shape),
            "batch": batch,
            "mode": mode,
            "inputs": inputs,
            "grad_output": grad_output,
            "output": want["output"],
            "grad_input": want.get("grad_input"),
            "tolerance": {
                role: case_file.tolerance(value, single[role])
                for role, value in want.items() if not role.startswith("more ")
            },
        }))
        for index, values in enumerate(more):
            entry = {"shape": list(values.shape[1:]), "inputs": values, "grad_input": want.get(f"more {index}")}
            self.tables.append(case_file.table("[[case.more]]", entry))
        for role, value in params:
            entry = {"role": role, "shape": list(value.shape), "values": value, "grad": want.get(role)}
            self.tables.append(case_file.table("[[case.params]]", entry))
        for role, value in state:
            entry = {"role": role, "shape": list(value.shape), "values": value, "after": want.get(role)}
            self.tables.append(case_file.table("[[case.state]]", entry))

    def write(self, name=None):
        text = case_file.header(self.script, FORMAT.strip("\n") + ("\n\n" + self.note.strip("\n") if self.note else ""))
        case_file.write(f"layers/{name or self.kind}.toml", text + "\n".join(self.tables))


def linear():
    cases = Cases("linear", "output[b, o] = bias[o] + sum_i input[b, i] * weight[o, i]; the last axis is contracted.")

    def forward(x, p, s, training):
        return F.linear(x, p["weight"], p.get("bias"))

    def add(name, shape, out_features, batch, bias=True, values=None, **rest):
        rng = case_file.generator(f"linear/params/{name}")
        weight, offset = values or (normal(rng, [out_features, shape[-1]], max(shape[-1], 1) ** -0.5),
                                    normal(rng, [out_features]))
        params = [("weight", as_f32(weight))] + ([("bias", as_f32(offset))] if bias else [])
        cases.add(name, {"out_features": out_features, "bias": bias}, shape, batch, forward, params, **rest)

    add("golden-s01", [3], 2, 2, values=([[1.0, 3, 5], [2, 4, 6]], [10.0, 20]), inputs=[[1.0, 2, 3], [4, 5, 6]],
        grad_output=[[1.0, -1], [2, 0.5]])
    add("batch-of-one-no-bias", [5], 3, 1, bias=False)
    add("batch-of-none", [5], 3, 0)
    add("one-by-one", [1], 1, 1)
    add("one-input", [1], 7, 3)
    add("one-output", [17], 1, 2)
    add("no-inputs-gives-the-bias", [0], 3, 2)
    add("no-inputs-no-bias-gives-zeros", [0], 3, 2, bias=False)
    add("no-outputs", [4], 0, 2)
    add("odd-sizes", [33], 17, 7)
    add("odd-sizes-batch-of-one", [33], 5, 1)
    add("one-more-than-a-vector", [9], 17, 5)
    add("even-sizes", [16], 8, 4)
    add("long-and-thin", [129], 1, 2)
    add("short-and-wide", [2], 65, 2)
    add("sequence", [3, 7], 5, 2)
    add("sequence-of-no-steps", [0, 7], 5, 2)
    add("two-leading-axes-no-bias", [2, 3, 5], 4, 2, bias=False)
    add("large-magnitudes", [17], 5, 3, scale=1e4)
    add("small-magnitudes", [17], 5, 3, scale=1e-4)
    # A bias that dwarfs the product: adding it twice or first shows.
    add("large-bias", [7], 3, 2, values=(normal(case_file.generator("large-bias"), [3, 7]), [1e3, -1e3, 5e2]))
    # A zero weight times infinity is NaN; a kernel that skips zeros would lose it.
    nan, inf = float("nan"), float("inf")
    add("nan-and-infinities-stay-in-their-row", [3], 2, 5, gradient=False,
        values=([[1.0, 0, -1], [0.5, 2, 1]], [1.0, -1]),
        inputs=[[nan, 1, 2], [1, 2, 3], [1, inf, 1], [-inf, 1, 1], [inf, 1, inf]])
    add("inference", [7], 3, 2, mode="inference")
    cases.write()


# The points where a function changes its branch; subgradients there are PyTorch's.
CORNERS = [0.0, -0.0, 1.0, -1.0, 3.0, -3.0, 6.0, 0.5, -0.5, 20.0, -20.0, 20.5]
TAILS = [8.0, 10.0, 19.0, 50.0, 88.0, 90.0, 100.0, 1e4]
NON_FINITE = [float("nan"), float("inf"), float("-inf"), 1.0]
ACTIVATIONS = [
    ("identity", {}, lambda x: x * 1.0),
    ("relu", {}, F.relu),
    ("leaky_relu", {"slope": 0.01}, lambda x: F.leaky_relu(x, 0.01)),
    ("elu", {"alpha": 1.0}, F.elu),
    ("selu", {}, F.selu),
    ("gelu", {}, F.gelu),
    ("gelu_tanh", {}, lambda x: F.gelu(x, approximate="tanh")),
    ("silu", {}, F.silu),
    ("sigmoid", {}, torch.sigmoid),
    ("hard_sigmoid", {}, F.hardsigmoid),
    ("tanh", {}, torch.tanh),
    ("scaled_tanh", {}, lambda x: 1.7159 * torch.tanh(2 / 3 * x)),
    ("softplus", {}, F.softplus),
    ("softsign", {}, F.softsign),
    ("exp", {}, torch.exp),
]


def activation():
    cases = Cases("activation", """
gelu is the exact form (erf), gelu_tanh the approximation; hard_sigmoid = clip(x + 3, 0, 6) / 6;
softplus has beta 1 and is the identity above the threshold 20.
Small, large and large negative values are cases apart: an error near zero must not hide behind a large neighbor.""")
    for function, keys, f in ACTIVATIONS:
        def add(name, shape, batch, function=function, keys=keys, f=f, **rest):
            cases.add(f"{function}-{name}", {"function": function, **keys}, shape, batch, lambda x, p, s, t: f(x), **rest)

        add("odd-size", [7], 3, scale=2.0)
        add("small-values", [3], 2, scale=1e-2)
        add("corners", [len(CORNERS)], 1, inputs=[CORNERS])
        # Beyond 88 the exponential leaves the range of f32.
        tails = [value for value in TAILS if function != "exp" or value < 88]
        add("large", [len(tails)], 1, inputs=[tails])
        add("large-negative", [len(TAILS)], 1, inputs=[[-value for value in TAILS]])
        add("nan-and-infinities", [len(NON_FINITE)], 1, inputs=[NON_FINITE], gradient=False)
        add("batch-of-none", [5], 0)
    cases.add("leaky_relu-steep", {"function": "leaky_relu", "slope": 0.2}, [2, 3], 2,
              lambda x, p, s, t: F.leaky_relu(x, 0.2))
    cases.add("elu-half", {"function": "elu", "alpha": 0.5}, [2, 3], 2, lambda x, p, s, t: F.elu(x, 0.5))
    cases.add("elu-half-corners", {"function": "elu", "alpha": 0.5}, [3], 1, lambda x, p, s, t: F.elu(x, 0.5),
              inputs=[0.0, -0.0, -1.0])
    cases.add("relu-two-leading-axes", {"function": "relu"}, [2, 3, 5], 2, lambda x, p, s, t: F.relu(x))
    cases.add("gelu-inference", {"function": "gelu"}, [33], 1, lambda x, p, s, t: F.gelu(x), mode="inference")
    cases.write()


def softmaxes():
    nan, inf = float("nan"), float("inf")
    for kind, function in [("softmax", F.softmax), ("log_softmax", F.log_softmax)]:
        cases = Cases(kind, "Over the last axis.")

        def add(name, shape, batch, cases=cases, function=function, **rest):
            cases.add(name, {}, shape, batch, lambda x, p, s, t: function(x, dim=-1), **rest)

        add("golden-s15", [2], 1, inputs=[[-7.98, 2.39]])
        add("odd-size", [7], 3)
        add("odd-size-batch-of-one", [17], 1)
        add("one-more-than-two-vectors", [33], 2, scale=3.0)
        add("length-one", [1], 3)
        add("batch-of-none", [5], 0)
        add("ties", [4], 3, inputs=[[1, 1, 1, 1], [2, 2, -1, -1], [0, 0, 0, -0.0]])
        add("large-magnitudes", [3], 4, inputs=[[1e4, -1e4, 0], [1e4, 1e4, -1e4], [-1e4, -1e4, -1e4], [1e4, 9999, 9998]])
        add("masked-entries", [4], 3, inputs=[[-inf, 1, 2, -inf], [0.5, -inf, -inf, -inf], [1, 2, 3, -inf]])
        add("all-masked-and-nan-and-infinity", [3], 5, gradient=False,
            inputs=[[-inf, -inf, -inf], [1, 2, 3], [nan, 1, 2], [inf, 1, 2], [3, -inf, nan]])
        add("sequence", [3, 5], 2)
        add("two-leading-axes", [2, 3, 4], 2)
        add("inference", [5], 2, mode="inference")
        cases.write()


def rearrangements():
    cases = Cases("flatten", "Each sample becomes one axis, row-major (channels first).")
    for name, shape, batch in [("one-axis", [5], 2), ("two-axes", [2, 3], 3), ("three-axes", [2, 3, 4], 2),
                               ("batch-of-one", [3, 1], 1), ("batch-of-none", [2, 3], 0), ("single-value", [1, 1], 2)]:
        cases.add(name, {}, shape, batch, lambda x, p, s, t: x.flatten(1) * 1.0)
    cases.add("nan-and-infinity-pass", {}, [2, 2], 1, lambda x, p, s, t: x.flatten(1), gradient=False,
              inputs=[float("nan"), float("inf"), -0.0, float("-inf")])
    cases.write()

    cases = Cases("reshape", "The values keep their row-major order; the batch stays.")
    for name, shape, to, batch in [("split", [6], [2, 3], 2), ("merge", [2, 3, 4], [4, 6], 1), ("same", [3], [3], 2),
                                   ("to-image", [18], [2, 3, 3], 1), ("flat", [2, 5], [10], 2),
                                   ("batch-of-none", [4], [2, 2], 0), ("single-value", [1], [1, 1, 1], 2)]:
        cases.add(name, {"shape": to}, shape, batch, lambda x, p, s, t, to=to: x.reshape(-1, *to) if x.numel()
                  else x.reshape(0, *to))
    cases.write()


def dropout():
    cases = Cases("dropout", "Only what does not depend on a generator: inference, and training with probability 0.")
    for name, probability, mode, shape, batch in [
            ("inference-keeps-everything", 0.5, "inference", [7], 3),
            ("inference-with-probability-near-one", 0.99, "inference", [3], 2),
            ("inference-sequence", 0.5, "inference", [2, 5], 2),
            ("training-with-probability-zero", 0.0, "training", [7], 3),
            ("training-with-probability-zero-batch-of-none", 0.0, "training", [7], 0)]:
        cases.add(name, {"probability": probability}, shape, batch,
                  lambda x, p, s, t, probability=probability: F.dropout(x, probability, training=t), mode=mode)
    cases.add("inference-nan-and-infinity-pass", {"probability": 0.5}, [3], 1, lambda x, p, s, t: F.dropout(x, 0.5, training=t),
              mode="inference", inputs=[float("nan"), float("inf"), float("-inf")])
    cases.write()


def batch_norm_pass(x, weight, bias, state, training, epsilon, momentum, running_variance):
    """Batch normalization over the rows of a batch, by PyTorch; the biased running variance by hand (TensorFlow's)."""
    if running_variance == "unbiased":
        return F.batch_norm(x, state["running_mean"], state["running_variance"], weight, bias, training, momentum, epsilon)
    mean, variance = state["running_mean"], state["running_variance"]
    if training:
        mean, variance = x.mean(0), x.var(0, unbiased=False)
        for role, now in [("running_mean", mean), ("running_variance", variance)]:
            state[role] = (1 - momentum) * state[role] + momentum * now.detach()
    output = (x - mean) / torch.sqrt(variance + epsilon)
    output = output if weight is None else output * weight
    return output if bias is None else output + bias


PYTORCH = {"epsilon": 1e-5, "momentum": 0.1, "center": True, "scale": True, "running_variance": "unbiased"}
# Decay 0.999 is momentum 0.001 in PyTorch's meaning.
TENSORFLOW = {"epsilon": 1e-3, "momentum": 1e-3, "center": True, "scale": False, "running_variance": "biased"}


def batch_norm():
    cases = Cases("batch_norm", """
momentum has PyTorch's meaning: running = (1 - momentum) * running + momentum * batch. The batch variance that
normalizes is the biased one; running_variance says which one is averaged. scale -> "weight", center -> "bias".""")

    def add(name, features, batch, keys=PYTORCH, fresh=False, **rest):
        rng = case_file.generator(f"batch_norm/params/{name}")
        params = [("weight", uniform(rng, [features], 0.5, 2.0))] if keys["scale"] else []
        params += [("bias", normal(rng, [features]))] if keys["center"] else []
        state = [("running_mean", torch.zeros(features) if fresh else normal(rng, [features])),
                 ("running_variance", torch.ones(features) if fresh else uniform(rng, [features], 0.25, 3.0))]

        def forward(x, p, s, training):
            return batch_norm_pass(x, p.get("weight"), p.get("bias"), s, training, keys["epsilon"], keys["momentum"],
                                   keys["running_variance"])

        cases.add(name, keys, [features], batch, forward, params, state, **rest)

    add("odd-sizes", 7, 5)
    add("fresh-statistics", 3, 4, fresh=True)
    add("one-feature", 1, 6)
    add("one-more-than-two-vectors", 33, 3)
    add("more-rows-than-a-vector", 3, 33)
    add("not-affine", 5, 4, {**PYTORCH, "center": False, "scale": False})
    add("center-only", 5, 4, {**PYTORCH, "scale": False})
    add("scale-only", 5, 4, {**PYTORCH, "center": False})
    add("batch-of-two", 3, 2, inputs=[[1.0, -2, 0.5], [3.0, 1, -0.75]])
    add("momentum-one-forgets", 3, 5, {**PYTORCH, "momentum": 1.0})
    add("momentum-zero-keeps", 3, 5, {**PYTORCH, "momentum": 0.0})
    add("constant-feature", 3, 4, inputs=[[2.0, 1, -1], [2.0, 3, 0.5], [2.0, -2, 4], [2.0, 0.25, -3]])
    add("all-zeros", 3, 4, inputs=torch.zeros(4, 3))
    add("mean-far-from-zero", 3, 9, shift=50.0)
    add("large-magnitudes", 3, 5, scale=1e4)
    add("nan-stays-in-its-feature", 3, 3, gradient=False, inputs=[[1.0, float("nan"), 3], [2.0, 1, 5], [4.0, 1, -2]])
    add("inference", 7, 3, mode="inference")
    add("inference-batch-of-one", 5, 1, mode="inference")
    add("inference-batch-of-none", 5, 0, mode="inference")
    add("inference-not-affine", 5, 2, {**PYTORCH, "center": False, "scale": False}, mode="inference")
    add("tensorflow", 7, 5, TENSORFLOW)
    add("tensorflow-fresh-statistics", 2, 4, TENSORFLOW, fresh=True, inputs=[[2.0, 3], [5, 5], [8, 7], [11.5, 11]])
    add("tensorflow-batch-of-one", 3, 1, TENSORFLOW)
    add("tensorflow-with-scale", 3, 4, {**TENSORFLOW, "scale": True})
    add("tensorflow-inference", 7, 2, TENSORFLOW, mode="inference")
    cases.write()


def layer_norm():
    cases = Cases("layer_norm", """
Over the last axis, with the biased variance. scale -> "weight", center -> "bias", both of the length of that axis.""")

    def add(name, shape, batch, epsilon=1e-5, center=True, scaled=True, **rest):
        rng = case_file.generator(f"layer_norm/params/{name}")
        features = shape[-1]
        params = [("weight", uniform(rng, [features], 0.5, 2.0))] if scaled else []
        params += [("bias", normal(rng, [features]))] if center else []

        def forward(x, p, s, training):
            # PyTorch's form without a weight takes no bias either, so the bias is added after it.
            if "weight" in p:
                return F.layer_norm(x, [features], p["weight"], p.get("bias"), epsilon)
            return F.layer_norm(x, [features], eps=epsilon) + p.get("bias", 0.0)

        cases.add(name, {"epsilon": epsilon, "center": center, "scale": scaled}, shape, batch, forward, params, **rest)

    add("odd-size", [7], 3)
    add("one-more-than-two-vectors", [33], 2)
    add("batch-of-one", [17], 1)
    add("batch-of-none", [5], 0)
    add("one-feature-gives-the-bias", [1], 3)
    add("two-features", [2], 3, inputs=[[1.0, 2], [-3, 0.5], [10, 12]])
    add("not-affine", [5], 2, center=False, scaled=False)
    add("center-only", [5], 2, scaled=False)
    add("scale-only", [5], 2, center=False)
    add("tiny-epsilon", [6], 3, epsilon=1e-12)
    add("constant-row", [4], 3, inputs=[[2.0, 2, 2, 2], [1, -1, 3, 0.5], [0, 0, 0, 0]])
    add("mean-far-from-zero", [9], 3, shift=50.0)
    add("large-magnitudes", [7], 2, scale=1e4)
    add("sequence", [3, 5], 2)
    add("sequence-not-affine", [3, 5], 2, center=False, scaled=False)
    add("two-leading-axes", [2, 3, 4], 2)
    add("nan-stays-in-its-row", [3], 3, gradient=False, inputs=[[1.0, float("nan"), 3], [2.0, 1, 5], [4.0, 1, -2]])
    add("inference", [5], 2, mode="inference")
    cases.write()


def standardize():
    cases = Cases("standardize", "(x - mean) * scale; both are data, not parameters: no gradient, never changed by a pass.")

    def add(name, shape, batch, length, values=None, **rest):
        rng = case_file.generator(f"standardize/params/{name}")
        mean, scale = values or (normal(rng, [length], 3.0), uniform(rng, [length], 0.1, 2.0))
        state = [("mean", as_f32(mean)), ("scale", as_f32(scale))]
        cases.add(name, {}, shape, batch, lambda x, p, s, t: (x - s["mean"]) * s["scale"], (), state, **rest)

    add("one-mean-for-each-feature", [7], 3, 7)
    add("one-mean-for-all", [7], 3, 1)
    add("one-feature", [1], 2, 1)
    add("one-more-than-two-vectors", [33], 2, 33)
    add("batch-of-none", [5], 0, 5)
    add("sequence", [3, 5], 2, 5)
    add("sequence-one-mean-for-all", [3, 5], 2, 1)
    add("image-one-mean-for-all", [1, 3, 3], 2, 1)
    add("grey-levels", [5], 1, 1, values=([33.25], [1 / 78.5]), inputs=[0.0, 255, 128, 33.25, 1])
    add("scale-of-zero", [3], 2, 3, values=([1.0, 2, 3], [0.0, 1, 0.0]))
    add("nan-and-infinity-pass", [3], 1, 3, gradient=False, inputs=[float("nan"), float("inf"), 1.0])
    add("inference", [5], 2, 5, mode="inference")
    cases.write()


def dense():
    cases = Cases("dense", """
The wrapper: linear, then a normalizer OR a bias, then an activation. With a normalizer there is no bias, whatever
`bias` says. The roles are numbered as the layers that it becomes: layers.0 the linear layer, layers.1 the normalizer.""")
    functions = {name: f for name, _, f in ACTIVATIONS}

    def add(name, shape, out_features, batch, bias=True, normalizer=None, activation="relu", weight=None, **rest):
        rng = case_file.generator(f"dense/params/{name}")
        kind = normalizer and normalizer["kind"]
        weight = normal(rng, [out_features, shape[-1]], shape[-1] ** -0.5) if weight is None else as_f32(weight)
        params, state = [("layers.0.weight", weight)], []
        if bias and not normalizer:
            params.append(("layers.0.bias", normal(rng, [out_features])))
        if normalizer and normalizer["scale"]:
            params.append(("layers.1.weight", uniform(rng, [out_features], 0.5, 2.0)))
        if normalizer and normalizer["center"]:
            zeros = name.startswith("golden")
            params.append(("layers.1.bias", torch.zeros(out_features) if zeros else normal(rng, [out_features])))
        if kind == "batch_norm":
            state = [("layers.1.running_mean", torch.zeros(out_features)),
                     ("layers.1.running_variance", torch.ones(out_features))]

        def forward(x, p, s, training):
            z = F.linear(x, p["layers.0.weight"], p.get("layers.0.bias"))
            if kind == "batch_norm":
                inner = {role.removeprefix("layers.1."): value for role, value in s.items()}
                z = batch_norm_pass(z, p.get("layers.1.weight"), p.get("layers.1.bias"), inner, training,
                                    normalizer["epsilon"], normalizer["momentum"], normalizer["running_variance"])
                s.update({f"layers.1.{role}": value for role, value in inner.items()})
            if kind == "layer_norm":
                z = F.layer_norm(z, [out_features], p.get("layers.1.weight"), p.get("layers.1.bias"), normalizer["epsilon"])
            return functions[activation](z) if activation else z * 1.0

        layer = {"out_features": out_features, "bias": bias}
        layer |= {"normalizer": normalizer} if normalizer else {}
        layer |= {"activation": activation} if activation else {}
        cases.add(name, layer, shape, batch, forward, params, state, **rest)

    batch = {"kind": "batch_norm", **TENSORFLOW}
    layer = {"kind": "layer_norm", "epsilon": 1e-12, "center": True, "scale": True}
    golden = {"weight": [[1.0, 0.5], [-1.0, 2.0]], "inputs": [[1.0, 2], [3, 4], [5, 6], [7, 9]]}
    add("golden-s04", [2], 2, 4, normalizer=batch, **golden)
    add("golden-s04-no-activation", [2], 2, 4, normalizer=batch, activation=None, **golden)
    add("golden-s04-bias-is-ignored-with-a-normalizer", [2], 2, 4, bias=False, normalizer=batch, **golden)
    add("bias-then-relu", [5], 7, 3)
    add("no-bias-no-activation", [5], 7, 3, bias=False, activation=None)
    add("batch-of-one-tanh", [5], 3, 1, activation="tanh")
    add("batch-of-none", [5], 3, 0)
    add("sequence-sigmoid", [3, 5], 4, 2, activation="sigmoid")
    add("layer-norm-relu", [5], 7, 3, normalizer=layer)
    add("layer-norm-sequence-gelu", [2, 5], 3, 2, normalizer=layer, activation="gelu")
    add("batch-norm-odd-sizes", [9], 5, 7, normalizer=batch)
    add("batch-norm-pytorch-style", [4], 3, 6, normalizer={"kind": "batch_norm", **PYTORCH}, activation="silu")
    add("inference-batch-norm", [4], 3, 2, normalizer=batch, mode="inference")
    cases.write()


if __name__ == "__main__":
    case_file.settle()
    for make in [linear, activation, softmaxes, rearrangements, dropout, batch_norm, layer_norm, standardize, dense]:
        make()
