"""Figures of docs/concepts.md as SVG, drawn from the layers of the network that ships.

    # writes docs/figures/ranges.svg, granularity.svg and rounding.svg
    python -m benchmarks.figures.concepts

ranges: one activation, and what two range rules keep of it. granularity: the error of weights with
a scale for each tensor, channel and vector. rounding: the error of each layer's output with weights
rounded to nearest and with the data in view. Colours follow the reader's light or dark page.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
import onnx_ir as ir

import edgeq
from benchmarks.figures.bars import Group, bars, histogram, span
from benchmarks.measures.model_zoo import ROOT
from edgeq.data.open import open_dataset
from edgeq.data.shipped import shipped_model
from edgeq.graph.expose import expose
from edgeq.graph.read import constant, nodes
from edgeq.graph.signature import input_specs
from edgeq.io.load import load_model
from edgeq.numerics.arrays import F64, AnyArray
from edgeq.runtimes.ort import open_session

#: numbers of a vector, and the largest code of four bits
VECTOR, MOST = 16, 7


def main() -> int:
    """Write the three figures."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    folder = ROOT / "docs" / "figures"
    folder.mkdir(exist_ok=True)
    for name, svg in (("ranges", ranges()), ("granularity", granularity()), ("rounding", rounding())):
        (folder / f"{name}.svg").write_text(svg, encoding="utf-8")
    return 0


def ranges() -> str:
    """The activation of which rule mse clips the largest part of the range, and both ranges."""
    digits = shipped_model("digits")
    plans = {rule: edgeq.quantize(digits, "digits", recipe={"effort": "fast", "rule": rule, "placement": {"prefer": "integers"}},
                                  prove=False).plan for rule in ("mse", "minmax")}  # fmt: skip
    kept = {rule: {name: _ends(grid) for name, grid in plan.grids.items()} for rule, plan in plans.items()}
    floats = load_model(digits).model
    made = {str(value.name) for node in nodes(floats) for value in node.outputs}
    shares = {name: span(kept["mse"][name]) / span(kept["minmax"][name]) for name in kept["mse"] if name in kept["minmax"] and name in made}
    name = min(sorted(shares), key=lambda one: shares[one])
    return histogram(name, _values(name), kept["minmax"][name], kept["mse"][name])


def _ends(grid: object) -> tuple[float, float]:
    """The smallest and the largest number of a grid of eight bits."""
    scale, zero, low = grid.scale, grid.zero_point, 0 if grid.dtype == "uint8" else -128  # type: ignore[attr-defined]
    return scale * (low - zero), scale * (low + 255 - zero)


def _values(name: str) -> AnyArray:
    """What the float model computes there, on the calibration samples."""
    model = load_model(shipped_model("digits")).model
    shown, outputs = expose(model, [name])
    with open_session(shown, threads=1, optimize="off", arena=False) as session:
        batches = open_dataset("digits", input_specs(model)).batches(32)
        return np.concatenate([session.run(piece.feeds, [outputs[name]])[0].reshape(-1) for piece in batches])


def granularity() -> str:
    """Weights of four bits with a scale for each tensor, channel and vector of 16."""
    groups = []
    for node in nodes(load_model(shipped_model("digits")).model):
        weight = constant(node.inputs[1]) if node.op_type in ("Conv", "Gemm") else None
        if weight is not None and weight.ndim > 1 and weight.shape[1] % VECTOR == 0:
            groups.append(Group(str(node.name), tuple(_weights_db(weight, how) for how in ("tensor", "channel", "vector"))))
    return bars(
        "Weights of 4 bits: the finer the scale, the smaller the error", groups, ("per tensor", "per channel", f"per vector of {VECTOR}")
    )


def _weights_db(weight: AnyArray, how: str) -> float:
    """Energy of a weight over the squared error of rounding it to nearest, dB."""
    w: F64 = weight.astype(np.float64).reshape(len(weight), weight.shape[1] // VECTOR, VECTOR, -1)
    axes = {"tensor": (0, 1, 2, 3), "channel": (1, 2, 3), "vector": (2, 3)}[how]
    if how == "vector":  # of neighbours along the input channels, at each tap of the kernel
        axes = (2,)
    scale = np.abs(w).max(axes, keepdims=True) / MOST
    scale = np.where(scale > 0, scale, 1.0)
    return float(10 * np.log10(np.square(w).sum() / np.square(w - scale * np.rint(w / scale)).sum()))


def rounding() -> str:
    """Each layer with weights of four bits, rounded to nearest and with the data in view."""
    digits, found = shipped_model("digits"), []
    for effort in ("fast", "default"):
        recipe = {"effort": effort, "weight_bits": 4, "placement": {"prefer": "integers"}}
        made = edgeq.quantize(digits, "digits", recipe=recipe, prove=False)
        layers = edgeq.compare(digits, made.model, "digits", layers=True).layers
        found.append({layer.name: layer.sqnr_db for layer in layers})
    order = [node.name for node in nodes(load_model(digits).model) if _is_layer(node) and node.name in found[0] and node.name in found[1]]
    groups = [Group(name, (found[0][name], found[1][name])) for name in order]
    return bars("Outputs of layers, weights of 4 bits: SQNR against float", groups, ("effort fast: to nearest", "default: data in view"))


def _is_layer(node: ir.Node) -> bool:
    """Whether it has weights, or is the normalization that is folded into those before it."""
    return node.op_type in ("Conv", "Gemm", "BatchNormalization")


if __name__ == "__main__":
    sys.exit(main())
