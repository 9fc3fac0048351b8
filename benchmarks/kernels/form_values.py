"""Forms of what lies between layers, over one to three axes and over rows."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.kernels.form_bodies import (
    Body,
    alone,
    at_pictures,
    at_rows,
    batch_norm,
    clip,
    function,
    gate,
    gelu,
    layer_norm,
    mish,
    norm,
    pool,
    prelu,
    reduced,
    residual,
    silu,
    softmax,
    with_constant,
    with_itself,
)
from benchmarks.kernels.form_layers import Form
from benchmarks.kernels.form_moves import (
    beside,
    gated_halves,
    halves,
    mixed,
    padded,
    resized,
    shuffled,
    sliced,
    taken,
    tiled,
    turned,
    unshuffled,
    where,
)

_FUNCTIONS: Mapping[str, Body] = {
    **{name.lower(): function(name) for name in (
        "Relu", "Sigmoid", "Tanh", "HardSwish", "Elu", "Selu", "Softplus", "Softsign", "Exp", "Erf", "Abs", "Neg", "Sin",
    )},
    "leaky": function("LeakyRelu", alpha=0.1), "hard sigmoid": function("HardSigmoid", alpha=1 / 6, beta=0.5), "gelu": gelu, "silu": silu,
    "mish": mish, "prelu": prelu, "clip": clip, "reduce mean": reduced("ReduceMean"), "reduce max": reduced("ReduceMax"),
    "mul itself": with_itself("Mul", "Relu"), "sub itself": with_itself("Sub", "Relu"), "max itself": with_itself("Max", "Neg"),
    "gated halves": gated_halves, "halves": halves, "slice": sliced, "gather": taken, "where": where, "turned": turned,
    "softmax last": softmax(-1),
    "residual": residual,
    **{f"{op.lower()} {along}": with_constant(op, along)
       for op in ("Add", "Mul", "Sub", "Div") for along in ("one", "channel", "last", "all")},
}  # fmt: skip
_PICTURES: Mapping[str, Body] = {
    **{f"{op.lower()} {kernel}/{stride}": pool(op, kernel, stride)
       for op in ("MaxPool", "AveragePool") for kernel, stride in ((3, 1), (2, 2), (3, 2))},
    **{f"gate {name}": gate(name) for name in ("GlobalAveragePool", "GlobalMaxPool", "ReduceMean")},
    "resize nearest": resized("nearest", "asymmetric"), "resize linear": resized("linear", "half_pixel"),
    "resize corners": resized("linear", "align_corners"), "resize half": resized("linear", "half_pixel", 0.5),
    "concat 2": beside(2), "concat 4": beside(4), "pad": padded("constant"), "pad reflect": padded("reflect"),
    "batch norm": batch_norm, "instance norm": norm("InstanceNormalization"), "tile": tiled, "mixed": mixed, "softmax 1": softmax(1),
}  # fmt: skip
_FLAT: Mapping[str, Body] = {"shuffle": shuffled, "unshuffle": unshuffled}
_ROWS: Mapping[str, Body] = {
    "layer norm": norm("LayerNormalization"), "layer norm parts": layer_norm, "concat rows": beside(2, 1), "concat columns": beside(2, 2),
    "softmax 1": softmax(1),
}  # fmt: skip

VALUES: Mapping[str, Form] = {
    **{f"{axes}d {name}": at_pictures(body, axes) for axes in (1, 2, 3) for name, body in {**_FUNCTIONS, **_PICTURES}.items()},
    **{f"2d pointwise {name}": at_pictures(body, 2, 1) for name, body in {**_FUNCTIONS, **_PICTURES}.items()},
    **{f"2d {name}": at_pictures(body, 2) for name, body in _FLAT.items()},
    **{f"rows {name}": at_rows(body) for name, body in {**_FUNCTIONS, **_ROWS}.items()},
    **{f"alone {name}": alone(body) for name, body in {**_FUNCTIONS, **_PICTURES}.items() if not name.startswith("gate")},
}  # fmt: skip
