"""Find what the float model runs as one kernel and the int8 model as several, all of them float."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import onnx_ir as ir

from edgeq.graph.macs import macs
from edgeq.graph.read import is_op, nodes, operator_of
from edgeq.proof.fates import Fate, settle
from edgeq.proof.float_rows import Twins
from edgeq.proof.node_rows import ProvenNode
from edgeq.proof.read_back import ReadBack
from edgeq.runtimes.fusions import fusions


@dataclass(frozen=True)
class LostFusion:
    """A kernel of the float model that became several float kernels, and no integer one."""

    #: operator type of the float model's kernel, which may be one of onnxruntime only
    kernel: str
    #: names of the float model's nodes that it runs
    nodes: tuple[str, ...]
    #: names of the nodes of the quantized model that run in float one by one, at least two
    apart: tuple[str, ...]


def lost_fusions(float_model: ir.Model, shaped: ir.Model, found: ReadBack, rows: Sequence[ProvenNode]) -> tuple[LostFusion, ...]:
    """Every fusion of the float model that is lost for nothing.

    Where a layer of it became an integer kernel, the fusion was given up for that; where edgeq
    wrote an Add so that it joins nothing, because the fused kernel is the slower one. shaped: the
    float form of the quantized model; found, rows: what runs of it. Raises RuntimeRefused.
    """
    fates, twins = settle(shaped, found), Twins(shaped, rows)
    members = {str(node.name): node for node in nodes(float_model)}
    quantized = {str(node.name): node for node in nodes(shaped)}
    lost = []
    for fusion in fusions(float_model):
        became = {name: twins.row(members[name], macs(members[name])) for name in fusion.nodes}
        names = {name: row.name for name, row in became.items() if row is not None and row.name in fates}
        if any(_given_up(members[old], quantized[new], fates[new]) for old, new in names.items()):
            continue
        apart = dict.fromkeys(new for new in names.values() if _alone(fates[new]))
        if len(apart) > 1:
            lost.append(LostFusion(fusion.kernel, fusion.nodes, tuple(apart)))
    return tuple(lost)


def _given_up(old: ir.Node, new: ir.Node, fate: Fate) -> bool:
    """Whether this member is a reason to run the others by themselves.

    An Add that became a Sum: passes/place/sum_before_norm.py.
    """
    integer = fate.kernel is not None and fate.kernel.runs == "int8"
    return (integer and operator_of(old).layer) or (is_op(old, "Add") and is_op(new, "Sum"))


def _alone(fate: Fate) -> bool:
    return fate.kernel is not None and fate.kernel.runs == "float" and fate.own
