"""Carry out a plan: build its int8 model, and give it the target's integer inputs and outputs."""

from __future__ import annotations

import onnx_ir as ir

from edgeq.io.writing.external_form import written_size
from edgeq.passes.boundary.declared_types import DeclaredTypes
from edgeq.passes.boundary.integer_boundary import IntegerBoundary
from edgeq.passes.boundary.pixel_boundary import PixelBoundary
from edgeq.passes.prepare.forget_shapes import ForgetShapes
from edgeq.passes.store.drop_exporter_notes import DropExporterNotes
from edgeq.passes.store.note_packed import NotePacked
from edgeq.rewrite.pipeline import rewrite
from edgeq.rewrite.set_up import SetUp
from edgeq.schema.plan import Plan
from edgeq.schema.provenance import Gate, mark_gate, shorten_provenance, write_provenance
from edgeq.schema.task import Task


def carried_out(setup: SetUp, plan: Plan) -> ir.Model:
    """The int8 model with float inputs and outputs, and a record of what it was made from."""
    result = rewrite(setup.task.model, plan, setup.task.target)
    _record(result, setup, plan)
    return result


def finish(model: ir.Model, task: Task, plan: Plan, gate: Gate) -> None:
    """Give a model that was carried out, in place, the form of its file.

    Before, proofs feed it floats and read the whole record of its nodes. gate: whether the floors
    hold; none: those of the search that made the plan.
    """
    take_integers(model, task)
    shorten_provenance(model)
    mark_gate(model, plan.search.gate if gate == "none" and plan.search is not None else gate)


def size_as_written(setup: SetUp, plan: Plan, made: ir.Model, gate: Gate) -> int:
    """Bytes of the file that a run with this plan writes.

    made: the plan's int8 model, as rewritten; it is changed.
    """
    _record(made, setup, plan)
    finish(made, setup.task, plan, gate)
    return written_size(made)


def _record(model: ir.Model, setup: SetUp, plan: Plan) -> None:
    write_provenance(model, setup.loaded.model, setup.prepared.vanished, plan, setup.task.target)
    DropExporterNotes()(model)
    ForgetShapes()(model)


def take_integers(model: ir.Model, task: Task) -> None:
    """Make inputs and outputs, in place, what the application uses.

    That is raw pixels, codes, or floats of the types that the float model declares.
    """
    # first: IntegerBoundary would turn these inputs into codes of the target's own type
    PixelBoundary(task.pixels, task.pixel_grids)(model)
    if not task.target.float_io:
        IntegerBoundary()(model)
    if task.target.weights.packed:
        NotePacked()(model)
    if not task.target.integer_only:
        DeclaredTypes(task.declared)(model)
