"""Values whose grid can be chosen freely, because only MatMuls read them in integers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.calibration.tensor_stats import TensorStats
from edgeq.graph.layer import Layer
from edgeq.graph.read import constant, is_op, values
from edgeq.numerics.arrays import F32
from edgeq.passes.quantize.migrate_scales import migration_readers
from edgeq.refine.draft import Draft
from edgeq.refine.weighted import Weighted
from edgeq.schema.plan import Plan


@dataclass(frozen=True, eq=False)
class InputSite:
    """A value that only MatMuls with constant matrices read in integers.

    It reaches them as float and their products stay float, so its grid affects nothing else.
    """

    name: str
    stats: TensorStats
    #: geometry of the first MatMul
    layer: Layer
    #: [1, C, K]: the rows of all MatMuls, or fewer rows that give every product the same length
    weight: F32
    matmuls: tuple[ir.Node, ...]


def input_sites(draft: Draft, statistics: Mapping[str, TensorStats]) -> tuple[InputSite, ...]:
    """The sites of the draft's model in graph order."""
    readers: dict[str, list[Weighted]] = {}
    for one in draft.layers:
        readers.setdefault(one.layer.source, []).append(one)
    return tuple(_sites(draft, statistics, readers))


def _sites(draft: Draft, statistics: Mapping[str, TensorStats], readers: Mapping[str, list[Weighted]]) -> Iterator[InputSite]:
    for value in values(draft.model):
        name = str(value.name)
        matmuls = _free_readers(value, draft.plan)
        if matmuls and name in statistics and statistics[name].count:
            behind = readers[name]
            yield InputSite(name, statistics[name], behind[0].layer, _rows(behind), matmuls)


def _rows(behind: list[Weighted]) -> F32:
    """All rows, or the triangular factor R of their QR decomposition if it has fewer rows.

    ||W x|| = ||R x|| for every x.
    """
    found = [one.layer.weight_rows(np.asarray(constant(one.node.inputs[1]), np.float32)) for one in behind]
    weight = np.concatenate(found, axis=1)
    if weight.shape[1] <= weight.shape[2]:
        return weight
    triangle = np.asarray(np.linalg.qr(weight[0].astype(np.float64), mode="r"))
    return triangle.astype(np.float32)[None]


def _free_readers(value: ir.Value, plan: Plan) -> tuple[ir.Node, ...]:
    """The MatMuls that read the value, if its grid can be chosen freely; else empty.

    They must be its only readers in integers, it must reach them as float and their products must
    stay float.
    """
    grid = plan.grids.get(str(value.name))
    if grid is None or grid.readers != "integer" or grid.group is not None:
        return ()
    integer = [use.node for use in value.uses() if plan.nodes[str(use.node.name)].runs in ("int8", "integer", "absorbed")]
    matmuls = migration_readers(value)
    apart = all(node.graph is _home(value) and _hands_out_float(node, plan) for node in integer)
    return tuple(matmuls) if integer and apart and set(integer) == set(matmuls) else ()


def _home(value: ir.Value) -> ir.Graph | None:
    maker = value.producer()
    return maker.graph if maker is not None else value.graph


def _hands_out_float(node: ir.Node, plan: Plan) -> bool:
    made = plan.grids.get(str(node.outputs[0].name))
    return is_op(node, "MatMul") and (made is None or made.readers == "integer")
