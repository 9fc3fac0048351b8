"""Prepare a float model for calibration: one canonical form for each construct, no dead nodes.

Node names are final after this step. Its result is believed only after the float model itself
agrees (edgeq/rewrite/float_reference.py); otherwise the steps at fault are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import onnx_ir as ir

from edgeq.errors import BadModel, EdgeqError, UnsupportedOpset
from edgeq.graph.edit import vanished
from edgeq.graph.freeze import freeze_shapes
from edgeq.graph.names import unique_names
from edgeq.graph.read import nodes
from edgeq.io.validate import first_line
from edgeq.passes.prepare.compute_in_float32 import ComputeInFloat32
from edgeq.passes.prepare.convert_opset import NEWEST_WITH_QDQ
from edgeq.passes.prepare.infer_shapes import InferShapes
from edgeq.rewrite.float_reference import FloatReference
from edgeq.rewrite.needed_opsets import NeededOpsets, needed_opsets
from edgeq.rewrite.prepare_steps import OUTSIDE, last, once, optional_steps, rounds, words_for
from edgeq.rewrite.simplify import simplify

#: one fold can enable another; real models settle in 3 rounds
MAX_ROUNDS = 10


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
) -> Prepared:
    """A copy that calibration measures and quantization rewrites; it computes the same.

    Inputs and outputs are those of `model`. shapes: input name -> sizes, to freeze dynamic
    dimensions. opset: the opset to convert to; None: convert only if the model's is outside
    min_opset..max_opset. Raises UnsupportedOpset if no opset fits, BadRecipe if shapes do not fit,
    BadModel if the result is not valid.
    """
    start = model.clone()
    vanished(start).clear()
    freeze_shapes(start, shapes or {})
    done = _believed(start, needed_opsets(start, opset, min_opset, max_opset))
    float_nodes = [node.name for node in nodes(model) if node.name]
    left = {node.name for node in nodes(done.model)}
    reasons = vanished(done.model)
    gone = {name: reasons.get(name, "simplified away") for name in float_nodes if name not in left}
    return Prepared(done.model, gone, tuple(done.notes))


def _believed(start: ir.Model, opsets: NeededOpsets) -> _Attempt:
    """The preparation with as many of its steps as the float model agrees with.

    As a rule, these are all. If they are not: none of them, then one after the other is taken in,
    and left out again if the result is not the float model any more.
    """
    reference = FloatReference(start)
    whole = _Attempt(start, opsets, frozenset())
    problem = whole.problem(reference)
    if problem is None:
        return whole
    every = optional_steps()
    skip = frozenset(every)
    best = _Attempt(start, opsets, skip)
    bare = best.problem(reference)
    if bare is not None:
        raise _hopeless(start, best.model, bare)
    notes: list[str] = []
    for step in every:
        more = _Attempt(start, opsets, skip - {step})
        problem = more.problem(reference) if step in more.changed or more.failure is not None else None
        if problem is None:
            best, skip = more, skip - {step}
        else:
            notes.append(f"{words_for(step)}: its result was put aside: {problem}")
    best.notes.extend(notes)
    return best


def _hopeless(start: ir.Model, made: ir.Model, problem: str) -> EdgeqError:
    before, after = start.opset_imports.get(""), made.opset_imports.get("")
    if before != after:
        fix = "Export the model again with opset 17."
        return UnsupportedOpset(f"The model cannot be converted to another opset: {problem}.", f"opset {before} -> {after}", fix)
    return BadModel(
        f"edgeq's form of the model differs from it: {problem}.", "prepare", "This is a bug in edgeq: report it with the model."
    )


@dataclass
class _Attempt:
    """One run of the preparation over a copy of the float model, without the steps in `skip`."""

    start: ir.Model
    #: the opsets that it may have
    opsets: NeededOpsets
    #: names of steps that are left out
    skip: frozenset[str]
    model: ir.Model = field(init=False)
    notes: list[str] = field(init=False, default_factory=list)
    #: names of the steps that changed the model
    changed: set[str] = field(init=False, default_factory=set)
    #: how a tool of others failed, which ended the attempt; None: it came to its end
    failure: str | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.model = self.start.clone()
        try:
            self._all()
        except _ToolFailed as error:
            self.failure = str(error)

    def problem(self, reference: FloatReference) -> str | None:
        """Why the result is not believed; None if it is."""
        return self.failure or reference.disagreement(self.model)

    def _all(self) -> None:
        lowest, highest = self.opsets.lowest, self.opsets.highest
        if "ConvertOpset" in self.skip and lowest < highest:
            highest = max(highest, NEWEST_WITH_QDQ)  # what can stay as it is, stays
        for step in once(lowest, highest):
            self._noted(step)
        self._until_settled()
        if "onnxsim" not in self.skip:
            self.notes.append(simplify(self.model))
            if self.notes[-1].startswith("onnxsim:"):
                self.changed.add("onnxsim")
                self._until_settled()
        for step in last():
            self._run(step)
        unique_names(self.model)

    def _noted(self, step: ir.passes.InPlacePass) -> None:
        """Run one pass; leaves a note if it did something that the user should know."""
        opset = self.model.opset_imports.get("", 0)
        modified = self._run(step)
        if self.model.opset_imports.get("", 0) != opset:
            self.notes.append(f"opset {opset} was converted to {self.model.opset_imports['']}: {self.opsets.reason}")
        elif modified and isinstance(step, ComputeInFloat32):
            self.notes.append("computed in float32; inputs and outputs keep their own float type")

    def _run(self, step: ir.passes.InPlacePass) -> bool:
        name = type(step).__name__
        if name in self.skip and name != "ConvertOpset":
            return False
        try:
            modified = bool(step(self.model).modified)
        except EdgeqError:
            raise
        except Exception as error:
            if name not in OUTSIDE:
                raise
            raise _ToolFailed(f"it failed ({first_line(error)})") from error
        self.changed |= {name} if modified else set()
        return modified

    def _until_settled(self) -> None:
        for _ in range(MAX_ROUNDS):
            modified = [self._run(step) for step in rounds()]
            if not any(modified):
                return
            self._run(InferShapes())


class _ToolFailed(Exception):
    """A tool of others raised an exception of its own."""
