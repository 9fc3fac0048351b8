"""Gather what a page draws of a run, while its models and its data are at hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.calibration.observe import observe
from edgeq.calibration.tensor_stats import TensorStats
from edgeq.calibration.value_sizes import run_bytes
from edgeq.data.dataset import Dataset
from edgeq.data.roles import Roles
from edgeq.errors import RuntimeRefused
from edgeq.graph.macs import macs
from edgeq.graph.read import is_random, nodes
from edgeq.graph.walk import bodies_of
from edgeq.progress import Progress
from edgeq.proof.evidence import Evidence
from edgeq.proof.layer_fidelity import LayerFidelity, LayerProbe
from edgeq.proof.made_for import made_for
from edgeq.proof.node_rows import ProvenAs, ProvenNode
from edgeq.report.codebooks import planned_layers
from edgeq.report.detail.constant_bytes import ConstantBytes, constant_bytes
from edgeq.report.detail.detail import Detail, NodeDetail, ValueDetail
from edgeq.report.detail.histograms import of_activation, of_weight
from edgeq.report.detail.node_times import RunTimes, node_times
from edgeq.report.formats import stored_formats
from edgeq.report.stored_weights import weights_stored
from edgeq.rewrite.pipeline import in_floats
from edgeq.rewrite.set_up import SetUp
from edgeq.schema.grids import GridPlan
from edgeq.schema.plan import PlacedAs, Plan
from edgeq.schema.plan_parts.on_grid import OnGrid
from edgeq.schema.weights import CodebookWeight, FormatWeight, weight_key

#: samples that histograms and the SQNR of layers are from: enough for a picture
SAMPLES = 16
#: values of a run that are alive at once may take this many bytes where all of them are read: the
#: SQNR of layers is left out of a report of a larger model
MOST_BYTES = 1 << 28
_RUNS: dict[PlacedAs, ProvenAs] = {"int8": "int8", "dynamic": "int8", "integer": "int8", "absorbed": "vanished", "float": "float"}


@dataclass(frozen=True)
class Gathered:
    """What a page draws, and the SQNR of layers."""

    detail: Detail
    #: worst first; empty: nothing was compared
    layers: tuple[LayerFidelity, ...]


def gather(setup: SetUp, plan: Plan, result: ir.Model, data: Roles, evidence: Evidence, progress: Progress) -> Gathered:
    """The graph of a run with its values, bytes, times and errors.

    result: the int8 model with float inputs and outputs, and the whole record of its nodes.
    """
    model, loaded = setup.task.model, setup.loaded.model
    progress.start("gather what the report draws", None)
    floats = in_floats(model, plan)
    seen: Mapping[str, TensorStats] = {}
    fitted = None if data.division is None else data.division.fitted
    if fitted is not None:
        seen = observe(floats, plan.grids, fitted, stop=fitted.leading(SAMPLES))
    judging = data.judging if evidence.comparison is not None else None
    layers = () if judging is None else _layers(setup, result, judging)
    proven = evidence.placement is not None
    detail = Detail(
        nodes=tuple(_nodes(setup, plan, {} if evidence.placement is None else {row.name: row for row in evidence.placement.nodes})),
        values=(*_activations(plan, seen), *_weights(model, plan)),
        samples=0 if fitted is None else fitted.leading(SAMPLES),
        times=_times(loaded, result, judging) if proven and judging is not None and evidence.latency is not None else None,
    )
    return Gathered(detail, layers)


def _layers(setup: SetUp, result: ir.Model, judging: Dataset) -> tuple[LayerFidelity, ...]:
    model = setup.loaded.model
    if run_bytes(model, judging) > MOST_BYTES:
        return ()
    probe = LayerProbe(model, result, 1)
    for piece in judging.batches(judging.fixed_batch or 1, 0, judging.leading(SAMPLES)):
        probe.add(piece.feeds)
    return probe.layers()


def _times(loaded: ir.Model, result: ir.Model, judging: Dataset) -> RunTimes | None:
    feeds = next(iter(judging.batches(1, 0, judging.fixed_batch or 1))).feeds
    try:
        return node_times(loaded, result, feeds, signed=made_for(result).signed)
    except RuntimeRefused:
        return None  # a model whose optimized graph cannot be written has no times of its kernels


def _nodes(setup: SetUp, plan: Plan, rows: Mapping[str, ProvenNode]) -> Iterator[NodeDetail]:
    model = setup.loaded.model if rows else setup.task.model
    sizes = constant_bytes(setup.task.model, plan, (*planned_layers(setup.task.model, plan), *stored_formats(setup.task.model, plan)))
    fixed: set[str] = set()  # values that no input reaches
    for node in nodes(model):
        name, planned = str(node.name), plan.nodes.get(str(node.name))
        row, size = rows.get(name), sizes.get(name, ConstantBytes(0, 0))
        reads = [str(one.name) for one in node.inputs if one is not None and one.name and not _constant(one)]
        constant = (
            all(name in fixed for name in reads) and not is_random(node) and not bodies_of(node)
        )  # which may read what is no input of it
        fixed.update(str(one.name) for one in node.outputs if constant and one.name)
        yield NodeDetail(
            name=name,
            op_type=node.op_type,
            runs_as=row.runs_as if row is not None else "vanished" if planned is None else _RUNS[planned.runs],
            ran="" if row is None else row.reason,
            reason="" if planned is None else planned.reason,
            macs=macs(node),
            reads=tuple(reads),
            makes=tuple(str(one.name) for one in node.outputs if one.name),
            float_bytes=size.float_bytes,
            bytes=size.bytes,
            constant=constant,
        )


def _constant(value: ir.Value) -> bool:
    return not value.is_graph_input() and ir.convenience.get_const_tensor(value) is not None


def _activations(plan: Plan, seen: Mapping[str, TensorStats]) -> Iterator[ValueDetail]:
    for name, grid in plan.grids.items():
        params = grid.params
        found = of_activation(seen[name], params) if name in seen else None
        yield ValueDetail(
            name, "activation", grid.dtype, grid.scale, grid.scale, 1, grid.zero_point, float(params.low), float(params.high),
            grid.rule, _reason(grid), found,
        )  # fmt: skip


def _reason(grid: GridPlan) -> str:
    return grid.reason if grid.readers == "all" else f"{grid.reason}; what reads it in float sees the float value"


def _weights(model: ir.Model, plan: Plan) -> Iterator[ValueDetail]:
    for one in weights_stored(model, plan, OnGrid, of_floats=True):
        how, params = one.how, one.how.params
        widest = int(np.argmax(np.atleast_1d(params.high - params.low)))
        low, high = np.atleast_1d(params.low)[widest], np.atleast_1d(params.high)[widest]
        yield ValueDetail(
            weight_key(one.node, one.index), "weight", how.dtype, min(how.scale), max(how.scale), len(how.scale),
            how.zero_point[0], float(low), float(high), how.rule, how.reason, of_weight(one.weight, params), _stored_as(how),
        )  # fmt: skip


def _stored_as(how: OnGrid) -> str:
    if isinstance(how, FormatWeight):
        return f"{how.name}, {how.number_format.nominal_bits:g} bits a number"
    return f"indices of up to {how.bits} bits into tables" if isinstance(how, CodebookWeight) else ""
