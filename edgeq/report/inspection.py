"""Describe a float model and what it would become in int8.

It holds operators, parameters, MACs, flash and RAM in both, dynamic sizes and the placement.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx_ir as ir

from edgeq.graph.liveness import peak_bytes
from edgeq.graph.macs import macs
from edgeq.graph.read import nodes
from edgeq.graph.signature import InputSpec, input_specs, output_specs
from edgeq.io.load import Loaded
from edgeq.io.writing.card import Card, Facts
from edgeq.planning.first_plan import foreseen
from edgeq.planning.placement import Placement
from edgeq.report.detail.flash import flash, parameters
from edgeq.report.figures import human_bytes
from edgeq.rewrite.set_up import set_up
from edgeq.schema.cost import Slower
from edgeq.schema.plan import Because, PlacedAs
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import Target
from edgeq.search.candidates import share_of


@dataclass(frozen=True)
class OperatorCount:
    """The nodes of one operator type."""

    #: ONNX operator type
    op_type: str
    #: number of nodes in the file
    in_file: int
    #: number of nodes in the model that is planned: prepared, and lowered to the target
    prepared: int
    #: number of prepared nodes that would not run in float
    int8: int
    #: multiply-accumulates of the prepared nodes
    macs: int


@dataclass(frozen=True)
class NodeForecast:
    """Where one node of the model that is planned would run."""

    #: name of the node
    name: str
    #: ONNX operator type
    op_type: str
    #: how it would run
    runs: PlacedAs
    #: what decides it, for code
    because: Because
    #: why, for people
    reason: str
    #: the machine that is faster with floats, where that decides
    slower: Slower | None = None


@dataclass(frozen=True, repr=False)
class Inspection(Card):
    """What a float model is and would become.

    The placement is that of `quantize`, but for nodes that the data keep float (FROM_DATA in
    edgeq/schema/plan_parts/because.py). Figures are for one sample. Of the dynamic sizes, the batch
    counts as 1 and any other as edgeq.graph.macs.UNKNOWN_DIM.
    """

    #: path of the file
    model: str
    #: sha256 of the file, in hexadecimal
    hash: str
    #: size of the file and its external data
    file_bytes: int
    #: opset version of the file
    opset: int
    inputs: tuple[InputSpec, ...]
    outputs: tuple[InputSpec, ...]
    #: sizes of inputs that are only known when the model runs, as "input[axis] name"
    dynamic_dims: tuple[str, ...]
    #: elements of all floating-point constants
    parameters: int
    #: multiply-accumulates of one run
    macs: int
    #: share of them that integer kernels would do, 0..100
    macs_int8_pct: float
    #: what the constants take in flash, in float
    weight_bytes_float: int
    #: what they would take as integers, with their scales and zero points
    weight_bytes_int8: int
    #: largest size of all activations alive at once (RAM) when nodes run in file order, in float
    activation_bytes_float: int
    #: the same with one byte for each element that integer nodes make
    activation_bytes_int8: int
    #: name of the target
    target: str
    #: one row per operator type, the type with most MACs first
    operators: tuple[OperatorCount, ...]
    #: the nodes of the model that is planned
    nodes: tuple[NodeForecast, ...]
    #: what preparation did that a user might not expect
    notes: tuple[str, ...]

    def facts(self) -> Facts:
        """What a line and a table show."""
        kept = f"{human_bytes(self.weight_bytes_float)} -> {human_bytes(self.weight_bytes_int8)}"
        rows = ("target", self.target), ("parameters", f"{self.parameters:,}"), ("MACs", f"{self.macs:,}")
        return Facts(Path(self.model).name, (*rows, ("MACs in integers", f"{self.macs_int8_pct:.1f} %"), ("constants", kept)))


def inspect_model(
    loaded: Loaded, target: Target, shapes: Mapping[str, tuple[int, ...]] | None = None, recipe: Recipe | None = None
) -> Inspection:
    """Set up a run of `quantize`, and foresee its plan as far as it goes without data.

    recipe: default Recipe(). Raises what set_up and foreseen raise.
    """
    recipe = recipe or Recipe()
    setup = set_up(loaded, target, recipe, shapes, None)
    model, target = setup.task.model, setup.task.target
    placed = foreseen(model, target, recipe)
    operators = _operators(loaded.model, model, placed)
    forecasts = tuple(NodeForecast(name, at.op_type, at.runs, at.because, at.reason, at.slower) for name, at in placed.nodes.items())
    return Inspection(
        model=str(loaded.path or "model in memory"),
        hash=loaded.hash,
        file_bytes=loaded.size,
        opset=loaded.opset,
        inputs=input_specs(loaded.model),
        outputs=output_specs(loaded.model),
        dynamic_dims=_dynamic(input_specs(model)),
        parameters=parameters(model),
        macs=sum(row.macs for row in operators),
        macs_int8_pct=share_of(model, placed.nodes),
        weight_bytes_float=flash(model, target, None),
        weight_bytes_int8=flash(model, target, placed),
        activation_bytes_float=peak_bytes(model, frozenset()),
        activation_bytes_int8=peak_bytes(model, placed.quantized),
        target=target.name,
        operators=operators,
        nodes=forecasts,
        notes=setup.prepared.notes,
    )


def _dynamic(inputs: tuple[InputSpec, ...]) -> tuple[str, ...]:
    """Every size that is only known when the model runs, as "input[axis] name"."""
    unknown = [f"{spec.name}: rank unknown" for spec in inputs if spec.shape is None]
    sizes = [(spec.name, axis, size) for spec in inputs for axis, size in enumerate(spec.shape or ()) if not isinstance(size, int)]
    return tuple(unknown + [f"{name}[{axis}]" + (f" {size}" if size else "") for name, axis, size in sizes])


def _operators(original: ir.Model, prepared: ir.Model, placed: Placement) -> tuple[OperatorCount, ...]:
    """One row per operator type, the type with most MACs first."""
    in_file = Counter(node.op_type for node in nodes(original))
    after = Counter(node.op_type for node in nodes(prepared))
    integer = Counter(place.op_type for place in placed.nodes.values() if place.runs != "float")
    work: Counter[str] = Counter()
    for node in nodes(prepared):
        work[node.op_type] += macs(node)
    kinds = sorted(in_file | after, key=lambda op: (-work[op], -after[op], -in_file[op], op))
    return tuple(OperatorCount(op, in_file[op], after[op], integer[op], work[op]) for op in kinds)
