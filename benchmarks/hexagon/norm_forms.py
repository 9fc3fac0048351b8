"""Reductions, normalizations and Resize, in the forms that are tried on the emulator."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.hexagon.paired import Form
from edgeq.testing.case import floats, ints

UNIT, SIGNED = (0.0, 1.0), (-1.0, 1.0)
LINE, ROWS, CUBE = {"a": (1, 8, 12)}, {"a": (1, 6, 16)}, {"a": (1, 4, 4, 6, 6)}
REAL = {"s": "real"}


def _resizes() -> Iterator[Form]:
    twice, half = np.array([1, 1, 2, 2], np.float32), np.array([1, 1, 0.5, 0.5], np.float32)
    odd = np.array([1, 1, 1.5, 1.5], np.float32)
    for mode in ("nearest", "linear", "cubic"):
        for place in ("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"):
            for word, scales in (("x2", twice), ("x1.5", odd), ("x0.5", half)):
                for rounding in ("round_prefer_floor", "floor", "round_prefer_ceil", "ceil") if mode == "nearest" else ("",):
                    how = f'mode = "{mode}", coordinate_transformation_mode = "{place}"' + (
                        f', nearest_mode = "{rounding}"' if rounding else ""
                    )
                    name = f"Resize {mode} {place} {rounding} {word}".replace("  ", " ")
                    yield Form(name, f"b = Resize<{how}>(a, , s)", constants={"s": scales}, stored=REAL, copies=True)


def _sizes() -> Iterator[Form]:
    twice, half, odd = (np.array([1, 1, by, by], np.float32) for by in (2, 0.5, 1.5))
    yield Form(
        "Resize linear own grid", 'b = Resize<mode = "linear">(a, , s)', constants={"s": twice}, stored=REAL, ranges={"b": (-3.0, 3.0)}
    )
    yield Form(
        "Resize nearest own grid",
        'b = Resize<mode = "nearest", coordinate_transformation_mode = "asymmetric", nearest_mode = "floor">(a, , s)',
        constants={"s": twice},
        stored=REAL,
        ranges={"b": (-9.0, 9.0)},
    )
    for mode in ("nearest", "linear", "cubic"):
        for place, rounding in (("asymmetric", "floor"), ("half_pixel", "round_prefer_ceil")):
            how = f'mode = "{mode}", coordinate_transformation_mode = "{place}", nearest_mode = "{rounding}"'
            yield Form(
                f"Resize {mode} {place} scale that rounds", f"b = Resize<{how}>(a, , s)", {"a": (1, 8, 5, 7)}, {"s": odd}, REAL, copies=True
            )
    yield Form(
        "Resize channels",
        'b = Resize<mode = "linear">(a, , s)',
        {"a": (1, 8, 6, 6)},
        {"s": np.array([1, 2, 1, 1], np.float32)},
        REAL,
        copies=True,
    )
    yield Form("Resize sizes", 'b = Resize<mode = "linear">(a, , , s)', constants={"s": ints(1, 8, 9, 15)}, copies=True)
    yield Form("Resize line", 'b = Resize<mode = "linear">(a, , s)', LINE, {"s": np.array([1, 1, 2], np.float32)}, REAL, copies=True)
    yield Form(
        "Resize cube",
        'b = Resize<mode = "nearest", coordinate_transformation_mode = "asymmetric", nearest_mode = "floor">(a, , s)',
        CUBE,
        {"s": np.array([1, 1, 2, 2, 2], np.float32)},
        REAL,
        copies=True,
    )
    yield Form(
        "Resize antialias 19",
        'b = Resize<mode = "linear", antialias = 1>(a, , s)',
        constants={"s": half},
        stored=REAL,
        copies=True,
        opset=19,
    )
    yield Form(
        "Resize linear 19",
        'b = Resize<mode = "linear", coordinate_transformation_mode = "half_pixel_symmetric">(a, , s)',
        constants={"s": odd},
        stored=REAL,
        copies=True,
        opset=19,
    )


def _reductions() -> Iterator[Form]:
    for op in (
        "ReduceMean",
        "ReduceSum",
        "ReduceMax",
        "ReduceMin",
        "ReduceL2",
        "ReduceProd",
        "ReduceL1",
        "ReduceSumSquare",
        "ReduceLogSumExp",
    ):
        for axes, keep in (((2, 3), 1), ((2, 3), 0), ((1,), 1), ((-1,), 1), ((3,), 0), ((1, 2, 3), 1)):
            words = f"axes {list(axes)} keepdims {keep}"
            yield Form(
                f"{op} {words}",
                f"b = {op}<keepdims = {keep}>(a, i)",
                constants={"i": ints(*axes)},
                opset=18,
                copies=op in ("ReduceMax", "ReduceMin"),
            )
        yield Form(f"{op} all", f"b = {op}<keepdims = 0>(a)", opset=18)
        yield Form(f"{op} rows", f"b = {op}<keepdims = 1>(a, i)", ROWS, {"i": ints(-1)}, opset=18)
    yield Form("ReduceMean 13", "b = ReduceMean<axes = [2, 3]>(a)", opset=13)
    yield Form("ReduceMean batch", "b = ReduceMean<keepdims = 1>(a, i)", {"a": (4, 8)}, {"i": ints(0)}, opset=18)
    for op in ("ArgMax", "ArgMin"):
        for axis, keep in ((1, 1), (1, 0), (-1, 0), (2, 1)):
            yield Form(f"{op} axis {axis} keepdims {keep}", f"b = {op}<axis = {axis}, keepdims = {keep}>(a)")
        yield Form(f"{op} last", f"b = {op}<axis = 1, select_last_index = 1>(a)")
    for axis in (-1, 1):
        yield Form(f"TopK axis {axis}", f"b, c = TopK<axis = {axis}>(a, k)", constants={"k": ints(3)}, copies=True, outputs=("b", "c"))
        yield Form(f"TopK values axis {axis}", f"b, c = TopK<axis = {axis}>(a, k)", constants={"k": ints(3)}, copies=True)
    yield Form("TopK smallest", "b, c = TopK<largest = 0>(a, k)", constants={"k": ints(3)}, copies=True, outputs=("b", "c"))
    yield Form("CumSum", "b = CumSum(a, k)", constants={"k": np.array(1)})


def _norms() -> Iterator[Form]:
    for shape, word, axis in (((1, 6, 16), "rows", -1), ((1, 8, 6, 6), "image last", -1), ((1, 8, 6, 6), "image 1", 1)):
        size = shape[axis:]
        k, o = floats(*size) + 1, floats(*size, seed=3)
        for how, storage in (
            ("codes", {}),
            ("weight, bias", {"k": "weight", "o": "bias"}),
            ("weight, codes", {"k": "weight"}),
            ("codes, bias", {"o": "bias"}),
            ("real", {"k": "real", "o": "real"}),
        ):
            yield Form(
                f"LayerNormalization {word}, {how}",
                f"b = LayerNormalization<axis = {axis}>(a, k, o)",
                {"a": shape},
                {"k": k, "o": o},
                storage,
            )
        yield Form(f"LayerNormalization {word}, no bias", f"b = LayerNormalization<axis = {axis}>(a, k)", {"a": shape}, {"k": k})
    for shape in ((1, 8, 6, 6), (1, 8, 12), (1, 8, 2, 6, 6)):
        k, o = floats(8, 1).reshape(8) + 1, floats(8, 1, seed=3).reshape(8)
        for how, storage in (("codes", {}), ("weight, bias", {"k": "weight", "o": "bias"}), ("codes, bias", {"o": "bias"})):
            yield Form(
                f"InstanceNormalization {len(shape)}d, {how}", "b = InstanceNormalization(a, k, o)", {"a": shape}, {"k": k, "o": o}, storage
            )
            yield Form(
                f"BatchNormalization {len(shape)}d, {how}",
                "b = BatchNormalization(a, k, o, m, v)",
                {"a": shape},
                {"k": k, "o": o, "m": o * 2, "v": k * k + 1},
                storage,
            )
            yield Form(
                f"GroupNormalization {len(shape)}d, {how}",
                "b = GroupNormalization<num_groups = 2>(a, k, o)",
                {"a": shape},
                {"k": k, "o": o},
                storage,
                opset=21,
            )
    yield Form("LpNormalization p 2", "b = LpNormalization<axis = -1, p = 2>(a)")
    yield Form("LpNormalization axis 1", "b = LpNormalization<axis = 1, p = 2>(a)")
    yield Form("LpNormalization p 1", "b = LpNormalization<axis = -1, p = 1>(a)")
    yield Form("LRN", "b = LRN<size = 3>(a)")
    yield Form("MeanVarianceNormalization", "b = MeanVarianceNormalization(a)")
    yield Form("RMSNormalization 23", "b = RMSNormalization(a, k)", ROWS, {"k": floats(16, 1).reshape(16) + 1}, opset=23)
    for op in ("Softmax", "LogSoftmax"):
        ends = {"b": UNIT} if op == "Softmax" else {}
        for axis in (-1, 1, 2, 3):
            yield Form(f"{op} axis {axis}", f"b = {op}<axis = {axis}>(a)", ranges=ends)
            yield Form(f"{op} axis {axis} own range", f"b = {op}<axis = {axis}>(a)")
        yield Form(f"{op} rows", f"b = {op}(a)", ROWS, ranges=ends)
        yield Form(f"{op} rows axis 1", f"b = {op}<axis = 1>(a)", ROWS, ranges=ends)
        yield Form(f"{op} 2d", f"b = {op}(a)", {"a": (1, 10)}, ranges=ends)
        yield Form(f"{op} 1/256", f"b = {op}(a)", {"a": (1, 10)}, ranges={"b": (0.0, 255 / 256)})


def norms() -> Iterator[Form]:
    """All of them."""
    for group in (
        _resizes,
        _sizes,
        _reductions,
        _norms,
    ):
        yield from group()
