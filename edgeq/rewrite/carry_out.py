"""Carry out a plan: build its int8 model, and give it the target's integer inputs and outputs."""

from __future__ import annotations

import onnx_ir as ir

from edgeq.passes.boundary.declared_types import DeclaredTypes
from edgeq.passes.boundary.integer_boundary import IntegerBoundary
from edgeq.passes.boundary.pixel_boundary import PixelBoundary
from edgeq.passes.prepare.forget_shapes import ForgetShapes
from edgeq.passes.store.drop_exporter_notes import DropExporterNotes
from edgeq.rewrite.pipeline import rewrite
from edgeq.rewrite.set_up import SetUp
from edgeq.schema.plan import Plan
from edgeq.schema.provenance import write_provenance
from edgeq.schema.task import Task


def carried_out(setup: SetUp, plan: Plan) -> ir.Model:
    """The int8 model with float inputs and outputs, and a record of what it was made from."""
    task = setup.task
    result = rewrite(task.model, plan, task.target)
    write_provenance(result, setup.loaded.model, setup.prepared.vanished, plan)
    DropExporterNotes()(result)
    ForgetShapes()(result)
    return result


def take_integers(model: ir.Model, task: Task) -> None:
    """Make inputs and outputs, in place, what the application uses.

    That is raw pixels, codes, or floats of the types that the float model declares.
    """
    # first: IntegerBoundary would turn these inputs into codes of the target's own type
    PixelBoundary(task.pixels, task.pixel_grids)(model)
    if not task.target.float_io:
        IntegerBoundary()(model)
    if not task.target.integer_only:
        DeclaredTypes(task.declared)(model)
