"""Round weights with requantization factors that all integer runtimes round to the same codes.

A row keeps its free scale where an exact factor would cost too much.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import onnx_ir as ir

from edgeq.graph.read import only_consumer
from edgeq.numerics.arrays import F32, F64, Mask
from edgeq.numerics.grid import LIMITS
from edgeq.numerics.rounding.codes import Codes
from edgeq.numerics.rounding.factors import Feedback
from edgeq.numerics.rounding.with_feedback import rounded_with_error
from edgeq.planning.exact.factors import Requantized
from edgeq.schema.grids import GridPlan
from edgeq.schema.plan import NodePlan

#: a row's error, which includes the rounding of its output, may grow by this multiple of itself:
#: four times the error is 6 dB in one channel. A single channel that is left out makes every later
#: code of a deep network differ somewhere
EXTRA = 3.0


@dataclass(frozen=True, eq=False)
class Rounded:
    """Rounded rows of a weight."""

    #: [G, C]
    scale: F32
    #: [G, C, K]
    codes: F32
    #: r H r^T [G, C]; with one scale per tensor, the sum over all rows in every place
    error: F64

    def where(self, mine: Mask, other: Rounded) -> Rounded:
        """These rows where `mine` [G, C] is true, the other ones elsewhere."""
        scale, error = np.where(mine, self.scale, other.scale), np.where(mine, self.error, other.error)
        return Rounded(scale, np.where(mine[..., None], self.codes, other.codes), error)


def round_best(rows: F32, passed_on: Feedback, scales: Sequence[F32], codes: Codes, shared: bool) -> Rounded:
    """Round each row with the one of the scales [G, C] that gives it the least error.

    passed_on: feedback(H) for the moment H of the inputs.
    """
    tried = [_rounded(rows, passed_on, scale, codes, shared) for scale in scales]
    return reduce(lambda best, one: best.where(best.error <= one.error, one), tried)


def _rounded(rows: F32, passed_on: Feedback, scale: F32, codes: Codes, shared: bool) -> Rounded:
    chosen, error = rounded_with_error(rows, passed_on, scale, codes)
    return Rounded(scale, chosen, np.full_like(error, error.sum()) if shared else error)


def exact_if_cheap(exact: Rounded, free: Rounded, step: float, shared: bool) -> Rounded:
    """The rows with exact factors, except where they cost more than EXTRA allows.

    step: scale of the output.
    """
    own = step**2 / 12 * (exact.scale.size if shared else 1)
    return exact.where(exact.error - free.error <= EXTRA * (free.error + own), free)


def requantized(node: ir.Node, places: Mapping[str, NodePlan], grids: Mapping[str, GridPlan]) -> Requantized | None:
    """How the sums of a layer become codes; None if its input or its output has no grid."""
    source, result = node.inputs[0], node.outputs[0]
    reader = only_consumer(result)
    while reader is not None and reader.name in places and places[str(reader.name)].runs == "absorbed":
        result = reader.outputs[0]
        reader = only_consumer(result)
    grid, fed = grids.get(str(result.name)), None if source is None else grids.get(str(source.name))
    return None if grid is None or fed is None else Requantized(fed.scale / grid.scale, reach_of(grid), grid.scale)


def reach_of(grid: GridPlan) -> int:
    """The largest distance of a code from the zero point."""
    low, high = LIMITS[grid.dtype]
    return max(grid.zero_point - low, high - grid.zero_point)
