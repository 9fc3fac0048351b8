"""The float model as it was given, which judges every other form of it.

What edgeq's passes, onnxsim, onnxscript or onnx's own tools make of a model is believed only after
four questions: does it have the same inputs and outputs, is it valid, does onnxruntime open it, and
does it compute the same numbers?
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import onnx
import onnx_ir as ir

from edgeq.errors import EdgeqError, RuntimeRefused
from edgeq.graph.read import is_random, nodes, values
from edgeq.graph.shapes.reads_nothing import may_read_nothing, reads_nothing
from edgeq.graph.shapes.symbolic_shapes import integers_are_short
from edgeq.graph.value_types import typed_proto, without_weights
from edgeq.io.validate import first_line
from edgeq.numerics.arrays import AnyArray
from edgeq.rewrite.made_up_run import MadeUpRun, first_run
from edgeq.runtimes.ort import open_session

#: largest difference that reordered float32 sums explain, relative to the largest output: 60 dB
_FLOAT_TOLERANCE = 1e-3
#: the same where the float model rounds inner values to half floats (11 bits, 8 for bfloat16)
_HALF_TOLERANCE = 3e-2
_HALVES = (ir.DataType.FLOAT16, ir.DataType.BFLOAT16)
#: a value of more elements is not computed: 1 GiB of floats
MAX_ELEMENTS = 1 << 28


class FloatReference:
    """Compares forms of a model with the model itself; each question is asked only when needed.

    model: the float model, with dimensions frozen as in the forms that it will judge. It must not
    change.
    """

    def __init__(self, model: ir.Model) -> None:
        self.model = model
        half = any(value.dtype in _HALVES for value in values(model))
        self._tolerance = _HALF_TOLERANCE if half else _FLOAT_TOLERANCE
        self._runs: bool | None = None

    def disagreement(self, form: ir.Model, same_nodes: bool = False) -> str | None:
        """How another form of the model differs from it, in words; None where they agree.

        same_nodes: the form is the model, but for types and shapes: it computes the same.

        What the float model itself does not fulfil is not asked of the form. Where the numbers
        cannot be compared (the float model does not run on made-up feeds, or does not repeat its
        own numbers), the other answers decide.
        """
        if self._runs is None:  # the first form has inferred shapes, which the model may lack
            self._runs = _is_small(form) and bool(self._compared)
        told = self._interface(form) or self._invalid(form)
        return told if told is not None or same_nodes else self._refused_or_wrong(form)

    @property
    def opens(self) -> bool:
        """Whether onnxruntime opens the float model."""
        return self._refusal is None

    @property
    def compares(self) -> bool:
        """Whether numbers are compared; True as well for a model that onnxruntime does not open."""
        return not self.opens or self._run is not None

    def _interface(self, form: ir.Model) -> str | None:
        for kind, own, other in (
            ("input", self.model.graph.inputs, form.graph.inputs),
            ("output", self.model.graph.outputs, form.graph.outputs),
        ):
            if [value.name for value in own] != [value.name for value in other]:
                return f"it has other {kind}s"
            for before, after in zip(own, other, strict=True):
                if before.type is not None and before.type != after.type:
                    return f"{kind} {before.name} has another type"
                if not _compatible(before.shape, after.shape):
                    return f"{kind} {before.name} has shape {after.shape} in place of {before.shape}"
        return None

    def _invalid(self, form: ir.Model) -> str | None:
        found = _invalid(form, full=True)
        return found if found is None or self._valid_in_full else _invalid(form, full=False)

    @cached_property
    def _valid_in_full(self) -> bool:
        return _invalid(self.model, full=True) is None

    def _refused_or_wrong(self, form: ir.Model) -> str | None:
        run = self._run  # before the form is opened: two sessions of a large model may be too much
        try:
            with open_session(form, optimize="off", arena=False) as session:
                if run is None:
                    return None
                found = session.run(run.feeds, self._compared)
        except RuntimeRefused as error:
            return f"onnxruntime does not run it ({error.what})" if self.opens else None
        same = all(_equal(a, b, self._tolerance) for a, b in zip(run.outputs, found, strict=True))
        return None if same or not self._repeats else "it computes other values"

    @cached_property
    def _first(self) -> tuple[EdgeqError | None, MadeUpRun | None]:
        """Why onnxruntime does not open the float model, and one run of it where there is one."""
        try:
            session = open_session(self.model, optimize="off", arena=False)
        except RuntimeRefused as error:
            return error, None
        with session:
            try:
                return None, first_run(session, self.model, self._compared) if self._runs else None
            except (RuntimeRefused, ValueError):
                return None, None

    @property
    def _refusal(self) -> EdgeqError | None:
        return self._first[0]

    @property
    def _run(self) -> MadeUpRun | None:
        return self._first[1]

    @property
    def _compared(self) -> list[str]:
        """The outputs that are compared: tensors of numbers."""
        return [str(v.name) for v in self.model.graph.outputs if isinstance(v.type, ir.TensorType) and v.dtype != ir.DataType.STRING]

    @cached_property
    def _repeats(self) -> bool:
        """Whether the float model computes the same numbers when onnxruntime optimizes it.

        Where it does not, as with a threshold that rounding crosses, numbers cannot judge.
        """
        run = self._run
        assert run is not None
        try:
            with open_session(self.model, arena=False) as session:
                again = session.run(run.feeds, self._compared)
        except RuntimeRefused:
            return True
        return all(_equal(a, b, self._tolerance) for a, b in zip(run.outputs, again, strict=True))


def _compatible(before: ir.Shape | None, after: ir.Shape | None) -> bool:
    """Whether one shape can be the other: no two numbers differ."""
    if before is None or after is None:
        return True
    pairs = zip(before, after, strict=False)
    return len(before) == len(after) and all(a == b for a, b in pairs if isinstance(a, int) and isinstance(b, int))


def _is_small(model: ir.Model) -> bool:
    """Whether the model can be run on made-up feeds, and repeats itself.

    onnxruntime must survive it, without filling the memory. A hostile file can make a value of any
    size out of a few numbers.
    """
    if any(is_random(node) or reads_nothing(node) for node in nodes(model)) or may_read_nothing(model):
        return False
    sizes = (value.shape.numpy() for value in values(model) if value.shape is not None and value.shape.is_static())
    return integers_are_short(model) and all(np.prod(size, dtype=np.float64) <= MAX_ELEMENTS for size in sizes)


def _invalid(model: ir.Model, *, full: bool) -> str | None:
    """What onnx.checker has against a model; None: nothing. full: infer all shapes as well."""
    try:
        if any(value.type is None for value in model.graph.outputs):  # a map
            onnx.checker.check_model(typed_proto(model), full_check=full)
        else:
            onnx.checker.check_model(without_weights(model), full_check=full)
    except Exception as error:  # the checker and shape inference have no common base
        return f"onnx.checker refuses it: {first_line(error)}"
    return None


def _equal(a: AnyArray, b: AnyArray, tolerance: float) -> bool:
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.dtype.kind != "f":
        return np.array_equal(a, b)
    finite = np.abs(a[np.isfinite(a)], dtype=np.float64)
    return bool(np.allclose(a, b, rtol=tolerance, atol=tolerance * float(np.max(finite, initial=1e-6)), equal_nan=True))
