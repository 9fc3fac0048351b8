"""One run of the preparation, with some of its steps left out."""

from __future__ import annotations

from dataclasses import dataclass, field

import onnx_ir as ir

from edgeq.errors import EdgeqError
from edgeq.graph.names import unique_names
from edgeq.graph.value_types import is_inferred
from edgeq.io.validate import first_line
from edgeq.passes.prepare.compute_in_float32 import ComputeInFloat32
from edgeq.passes.prepare.convert_opset import NEWEST_WITH_QDQ, ConvertOpset
from edgeq.passes.prepare.infer_shapes import InferShapes
from edgeq.rewrite.float_reference import FloatReference
from edgeq.rewrite.needed_opsets import NeededOpsets, opset_for_operators
from edgeq.rewrite.prepare_steps import OUTSIDE, before_recognition, last, once, rounds
from edgeq.rewrite.simplify import simplify
from edgeq.rewrite.steps import Steps

#: the most bytes of a small constant: a bias, a shape, axes, bounds
SMALL_BYTES = 1000
#: one fold can enable another; real models settle in 3 rounds
MAX_ROUNDS = 10


@dataclass(frozen=True)
class Allowed:
    """What preparation may do."""

    #: the opsets that the result may have
    opsets: NeededOpsets
    #: whether folded constants may make the file grow
    grow: bool
    #: whether normalizations may become one operator each
    norms: bool


@dataclass
class Attempt:
    """One run of the preparation over a copy of the float model, without the steps in `skip`."""

    #: the float model, which is not changed
    start: ir.Model
    #: which opsets, and whether constants may grow
    allowed: Allowed
    #: names of steps that are left out
    skip: frozenset[str]
    #: what came of it
    model: ir.Model = field(init=False)
    #: lines for the report
    notes: list[str] = field(init=False, default_factory=list)
    #: names of the steps that changed the model
    changed: set[str] = field(init=False, default_factory=set)
    #: how a tool of others failed, which ended the attempt; None: it came to its end
    failure: str | None = field(init=False, default=None)
    #: whether nothing has changed since the shapes were inferred: they would come out the same
    _inferred: bool = field(init=False, default=False)
    _steps: Steps = field(init=False)

    def __post_init__(self) -> None:
        self.model = self.start.clone()
        self._steps, self._inferred = Steps(self.model), is_inferred(self.start)
        try:
            self._all()
        except _ToolFailed as error:
            self.failure = str(error)

    def problem(self, reference: FloatReference) -> str | None:
        """Why the result is not believed; None if it is."""
        return self.failure or reference.disagreement(self.model, same_nodes=not self.changed - {InferShapes.__name__})

    def _all(self) -> None:
        lowest, highest = self.allowed.opsets.lowest, self.allowed.opsets.highest
        if "ConvertOpset" in self.skip and lowest < highest:
            highest = max(highest, NEWEST_WITH_QDQ)  # what can stay as it is, stays
        for step in once(lowest, highest):
            self._noted(step, self.allowed.opsets.reason)
        for step in before_recognition(self.allowed.grow):
            self._run(step)
        self._with_operators()
        self._until_settled()
        if "onnxsim" not in self.skip:
            self.notes.append(simplify(self.model, grow=self.allowed.grow))
            if self.notes[-1].startswith("onnxsim:"):
                self.changed.add("onnxsim")
                self._inferred = False
                self._steps.forget()
                self._until_settled()
        for step in last():
            self._run(step)
        self.changed |= {"names"} if unique_names(self.model) else set()
        _large_last(self.model.graph)

    def _with_operators(self) -> None:
        """Convert to the opset that has the operators of what the model writes out in others."""
        wanted = opset_for_operators(self.model, self.allowed.opsets, self.allowed.norms)
        if wanted is None or "ConvertOpset" in self.skip:
            return
        self._noted(ConvertOpset(wanted.lowest, wanted.highest), wanted.reason)
        for step in once(wanted.lowest, wanted.highest):
            self._run(step)

    def _noted(self, step: ir.passes.InPlacePass, why: str) -> None:
        """Run one pass; leaves a note if it did something that the user should know."""
        opset = self.model.opset_imports.get("", 0)
        modified = self._run(step)
        if self.model.opset_imports.get("", 0) != opset:
            self.notes.append(f"opset {opset} was converted to {self.model.opset_imports['']}: {why}")
        elif modified and isinstance(step, ComputeInFloat32):
            self.notes.append("computed in float32; inputs and outputs keep their own float type")

    def _run(self, step: ir.passes.InPlacePass) -> bool:
        name = type(step).__name__
        if (name in self.skip and name != "ConvertOpset") or (name == "InferShapes" and self._inferred):
            return False
        try:
            modified = self._steps.run(step)
        except EdgeqError:
            raise
        except Exception as error:
            if name not in OUTSIDE:
                raise
            raise _ToolFailed(f"it failed ({first_line(error)})") from error
        self.changed |= {name} if modified else set()
        self._inferred = name == "InferShapes" or (self._inferred and not modified)
        return modified

    def _until_settled(self) -> None:
        steps = rounds(self.allowed.grow, self.allowed.norms)
        idle = 0  # steps in a row that found nothing in the model as it is now
        for _ in range(MAX_ROUNDS):
            for step in steps:
                idle = 0 if self._run(step) else idle + 1
                if idle == len(steps):
                    return
            idle = 0 if self._run(InferShapes()) else idle


def _large_last(graph: ir.Graph) -> None:
    """Let large constants stand behind small ones in the file, each kind in its order."""
    held = graph.initializers
    large = [name for name, value in held.items() if value.const_value is not None and value.const_value.nbytes > SMALL_BYTES]
    for name in large:
        held[name] = held.pop(name)


class _ToolFailed(Exception):
    """A tool of others raised an exception of its own."""
