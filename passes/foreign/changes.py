"""What was changed in a quantized model of another tool, node by node, kept with it in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import onnx_ir as ir

#: bias_coded: a float bias became int32 codes. bias_rounded: the codes of a bias went to the
#: accumulator's grid. weight_shifted: other codes for the same numbers. weight_rounded: other
#: numbers. requantized: codes go to another grid behind or before the node. grid_measured: a value
#: had no grid and got one. operator_replaced: another operator computes the same numbers
ChangeKind = Literal[
    "bias_coded", "bias_rounded", "weight_shifted", "weight_rounded", "requantized", "grid_measured", "operator_replaced"
]  # fmt: skip

_KEY = "edgeq.changes"


@dataclass(frozen=True)
class Change:
    """One thing that the integer form has otherwise than the model that it was made from."""

    kind: ChangeKind
    #: name of the node
    node: str
    op_type: str
    #: what was done, as a sentence
    what: str
    #: by how much a number can differ, in steps of the grid that it is on; 0: by nothing
    steps: float


def changes(model: ir.Model) -> list[Change]:
    """The changes so far, to which passes add theirs. They are not in the model's file."""
    found: list[Change] = model.meta.setdefault(_KEY, [])
    return found


def record(model: ir.Model, kind: ChangeKind, node: ir.Node, what: str, steps: float) -> None:
    """Add one change at a node."""
    changes(model).append(Change(kind, str(node.name), node.op_type, what, steps))
