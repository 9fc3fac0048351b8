"""From measured chains to a column of costs: kind by kind, what is known is taken off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import onnx
import onnx_ir as ir

from edgeq.graph.operators import OPERATORS, UNKNOWN
from edgeq.graph.read import nodes
from edgeq.numerics.arrays import F64
from edgeq.planning.cost.joined import joined_to
from edgeq.planning.cost.work import Work, work_of
from edgeq.schema.cost import FIGURES, Column, Figures, KernelCost, Lanes
from edgeq.tuning.chain import Chain
from edgeq.tuning.fit import fit
from edgeq.tuning.timing import FEW, MANY, Measured, network

Form = Literal["integer", "float"]
#: figures of layers, of layers of one channel, of pools, of operands spread over others, and of the
#: rest, which cost by the call and by the number
_LAYER, _SINGLE, _WINDOW = FIGURES, ("place", "read"), ("call", "read", "write")
_SPREAD, _PLAIN = ("call", "place", "write"), ("call", "read")
#: share of a conversion to codes and back that the first takes: 0.34 of 0.34 + 0.19 ns a number
QUANTIZE_SHARE = 0.64
#: what the sums of figures miss measured networks by, as a share of the time: the lower quartile
#: of 500 small networks (benchmarks/kernels/forms.py)
LEAST_GAIN = 0.05
#: smaller figures, in nanoseconds, are what the arithmetic of a fit leaves of nothing
LEAST = 1e-6
#: significant digits of a figure in the file
DIGITS = 4


def column(chains: Sequence[Chain], times: Sequence[Measured], machine: str, threads: int, source: str) -> Column:
    """The column of a machine. The figures of a kind explain its chains best."""
    lanes, kinds = Lanes(), dict[str, KernelCost]()
    for kind in dict.fromkeys(chain.kind for chain in chains):
        rows = [(one_block(chain), took) for chain, took in zip(chains, times, strict=True) if chain.kind == kind]
        if kind.startswith("QuantizeLinear"):
            kinds |= _conversions(kind, rows, kinds, lanes)
        else:
            kinds[kind] = KernelCost(
                integer=_fitted(kind, [([w for w, _ in works], took.integer) for works, took in rows], kinds, "integer", lanes),
                float=_fitted(
                    kind, [([w for w, joined in works if not joined], took.float) for works, took in rows], kinds, "float", lanes
                ),
            )
    return Column(machine=machine, threads=threads, lanes=lanes, kinds=kinds, least_gain=LEAST_GAIN, source=source)


def one_block(chain: Chain) -> list[tuple[Work, bool]]:
    """The works of the nodes of a block, and whether each is free in float."""
    model = ir.from_proto(onnx.shape_inference.infer_shapes(onnx.load_from_string(network(chain, MANY, codes=False).serialized())))
    every = [node for node in nodes(model) if node.op_type != "Identity"]
    block = every[len(every) // MANY * FEW :][: len(every) // MANY]  # the second: the first reads an input
    return [(work_of(node), joined_to(node) is not None) for node in block]


def _fitted(kind: str, rows: Sequence[tuple[Sequence[Work], float]], known: Mapping[str, KernelCost], form: Form, lanes: Lanes) -> Figures:
    """The figures of a kind, from works and nanoseconds of blocks that hold it."""
    counts, times = [], []
    for works, took in rows:
        others = sum(_ns(work, known, form, lanes) for work in works if work.kind != kind)
        counts.append(np.sum([_counts(work, form, lanes) for work in works if work.kind == kind], axis=0))
        # what is taken off is uncertain itself: a tenth of the block is left in any case
        times.append(max(took - others, took / 10))
    return _rounded(fit(_told(kind, np.array(counts, np.float64)), np.array(times)))


def _told(kind: str, counts: F64) -> F64:
    """The counts with those that no chain of the kind can tell set to 0."""
    row = OPERATORS.get(kind.partition(".")[0], UNKNOWN)
    layer = _SINGLE if ".single" in kind else _LAYER
    chosen = _SPREAD if kind.endswith(".spread") else layer if row.layer else _WINDOW if row.window else _PLAIN
    told: F64 = counts * np.array([name in chosen for name in FIGURES])
    return told


def _conversions(
    kind: str, rows: Sequence[tuple[Sequence[tuple[Work, bool]], Measured]], known: Mapping[str, KernelCost], lanes: Lanes
) -> dict[str, KernelCost]:
    """Quantize and Dequantize, from blocks that have one of each around a float node."""
    counts, times = [], []
    for works, took in rows:
        layers = [work for work, _ in works]
        floats = (
            took.float
            if len(layers) == 1
            else sum(_ns(w, known, "float", lanes) for w in layers[1:]) + _ns(layers[0], known, "integer", lanes)
        )
        work = layers[0]
        size = Work(kind, work.places * work.width, 1, 1)
        counts.append(size.counts(1))
        times.append(max(took.integer - floats, took.integer / 10))
    both = fit(_told(kind, np.array(counts, np.float64)), np.array(times))
    first, second = (_rounded(both * share) for share in (QUANTIZE_SHARE, 1 - QUANTIZE_SHARE))
    other = kind.replace("Quantize", "Dequantize")
    return {kind: KernelCost(integer=first, float=first), other: KernelCost(integer=second, float=second)}


def _ns(work: Work, known: Mapping[str, KernelCost], form: Form, lanes: Lanes) -> float:
    cost = known.get(work.kind)
    if cost is None:
        return 0.0
    figures = cost.integer if form == "integer" else cost.float
    return sum(figure * count for figure, count in zip(figures.numbers, _counts(work, form, lanes), strict=True))


def _counts(work: Work, form: Form, lanes: Lanes) -> tuple[float, ...]:
    return work.counts(lanes.integer) if form == "integer" else work.counts(lanes.float, blocks=True)


def _rounded(figures: F64) -> Figures:
    return Figures(**{name: float(f"{figure:.{DIGITS}g}") for name, figure in zip(FIGURES, figures, strict=True) if figure > LEAST})
