"""Prepare a float model for calibration: one canonical form for each construct, no dead nodes.

Node names are final after this step. Its result is believed only after the float model itself
agrees (edgeq/rewrite/float_reference.py); otherwise the steps at fault are left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import onnx_ir as ir

from edgeq.errors import BadModel, EdgeqError, UnsupportedOpset
from edgeq.graph.edit import vanished
from edgeq.graph.freeze import freeze_shapes
from edgeq.graph.read import nodes, values
from edgeq.graph.shapes.reads_nothing import reads_nothing
from edgeq.rewrite.attempt import Allowed, Attempt
from edgeq.rewrite.float_reference import MAX_ELEMENTS, FloatReference
from edgeq.rewrite.needed_opsets import needed_opsets
from edgeq.rewrite.prepare_steps import optional_steps, words_for
from edgeq.schema.target import Target


@dataclass(frozen=True)
class Prepared:
    """A float model that is ready for calibration."""

    #: a copy of the float model
    model: ir.Model
    #: name of a node of the float model that was removed -> what became of it
    vanished: dict[str, str]
    #: lines for the report
    notes: tuple[str, ...]


def prepare(
    model: ir.Model,
    *,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    opset: int | None = None,
    min_opset: int = 13,
    max_opset: int = 21,
    grow: bool = False,
    norms: bool = True,
) -> Prepared:
    """A copy that calibration measures and quantization rewrites; it computes the same.

    Inputs and outputs are those of `model`. shapes: input name -> sizes, to freeze dynamic
    dimensions. opset: the opset to convert to; None: convert only if the model's is outside
    min_opset..max_opset. grow: fold constants even where the file grows by it; a target without
    float kernels cannot compute them. norms: let a normalization become one operator; a target
    without float kernels may only have those of its parts. Raises UnsupportedOpset if no opset
    fits, BadRecipe if shapes do not fit, BadModel if the result is not valid.
    """
    start = model.clone() if shapes else model
    freeze_shapes(start, shapes or {})
    done = _believed(start, Allowed(needed_opsets(start, opset, min_opset, max_opset), grow, norms))
    _refuse_giants(done.model)
    _refuse_nothing(done.model)
    float_nodes = [node.name for node in nodes(model) if node.name]
    left = {node.name for node in nodes(done.model)}
    reasons = vanished(done.model)
    gone = {name: reasons.get(name, "simplified away") for name in float_nodes if name not in left}
    return Prepared(done.model, gone, tuple(done.notes))


def prepare_for(
    model: ir.Model, target: Target, *, shapes: Mapping[str, tuple[int, ...]] | None = None, opset: int | None = None
) -> Prepared:
    """`prepare` with what a target allows."""
    return prepare(
        model,
        shapes=shapes,
        opset=opset,
        min_opset=target.min_opset,
        max_opset=target.max_opset,
        grow=target.integer_only,
        norms=target.takes_norms,
    )


def _believed(start: ir.Model, allowed: Allowed) -> Attempt:
    """The preparation with as many of its steps as the float model agrees with.

    As a rule, these are all. If they are not: none of them, then one after the other is taken in,
    and left out again if the result is not the float model any more.
    """
    reference = FloatReference(start)
    whole = Attempt(start, allowed, frozenset())
    problem = whole.problem(reference)
    if problem is None and "onnxsim" in whole.changed and not reference.compares:
        whole = Attempt(start, allowed, frozenset({"onnxsim"}))
        whole.notes.append("continued without onnxsim: no input could be made up to compare its numbers")
        problem = whole.problem(reference)
    if problem is None:
        return whole
    every = optional_steps()
    skip = frozenset(every)
    best = Attempt(start, allowed, skip)
    bare = best.problem(reference)
    if bare is not None:
        raise _hopeless(start, best.model, bare)
    notes: list[str] = []
    for step in every:
        more = Attempt(start, allowed, skip - {step})
        problem = more.problem(reference) if step in more.changed or more.failure is not None else None
        if problem is None:
            best, skip = more, skip - {step}
        else:
            notes.append(f"{words_for(step)}: its result was put aside: {problem}")
    best.notes.extend(notes)
    return best


def _refuse_giants(model: ir.Model) -> None:
    """Raise BadModel for a value that is known to be larger than any device could hold.

    A few numbers in a hostile file make one; a runtime would take all memory for it.
    """
    for value in values(model):
        shape = value.shape
        if shape is not None and shape.is_static() and math.prod(shape.numpy()) > MAX_ELEMENTS:
            what = f"A value has {list(shape.numpy())} elements, more than the {MAX_ELEMENTS} that edgeq computes"
            maker = value.producer()
            where = f"value {value.name}" if maker is None else f"node {maker.name}, value {value.name}"
            raise BadModel(what, where, "Correct the sizes that make it, or export the model for smaller inputs.")


def _refuse_nothing(model: ir.Model) -> None:
    """Raise BadModel for a node that reads no elements, and whose kernel would end the process."""
    for node in nodes(model):
        if reads_nothing(node):
            source = node.inputs[0]
            assert source is not None
            what = f"Value {source.name}, which the {node.op_type} reads, has no elements: its shape is {source.shape}"
            raise BadModel(what, f"node {node.name}", "Correct the sizes that make it, or export the model for larger inputs.")


def _hopeless(start: ir.Model, made: ir.Model, problem: str) -> EdgeqError:
    before, after = start.opset_imports.get(""), made.opset_imports.get("")
    if before != after:
        fix = "Export the model again with opset 17."
        return UnsupportedOpset(f"The model cannot be converted to another opset: {problem}.", f"opset {before} -> {after}", fix)
    return BadModel(
        f"edgeq's form of the model differs from it: {problem}.", "prepare", "This is a bug in edgeq: report it with the model."
    )
