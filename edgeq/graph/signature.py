"""The inputs that a model expects: name, element type and shape of each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

import onnx
import onnx_ir as ir

#: what a value of a graph is; "other": a map or a sparse tensor
Form = Literal["tensor", "sequence", "optional", "other"]


@dataclass(frozen=True)
class InputSpec:
    """One input or output of a graph."""

    name: str
    #: numpy name of the element type ("float32", "int64", ...; "object": strings), or "unknown"
    dtype: str
    #: an int is a fixed dimension, a str a named dynamic one, None an unnamed dynamic one; None as
    #: a whole: unknown rank. Of a sequence: that of its tensors, stacked
    shape: tuple[int | str | None, ...] | None
    #: what the value is. A sequence of tensors is fed as one array, stacked along axis 0, and an
    #: optional tensor as the tensor
    form: Form = "tensor"

    @property
    def holds(self) -> str:
        """What a user gives or gets, in words, such as float32 or sequence of float32."""
        element = "text" if self.dtype == "object" else self.dtype
        return {"tensor": element, "sequence": f"sequence of {element}", "optional": f"optional {element}", "other": "map"}[self.form]


def input_specs(model: ir.Model) -> tuple[InputSpec, ...]:
    """The inputs that a user has to feed, in graph order.

    Inputs with a default value (an initializer) are left out.

    >>> from edgeq.data.shipped import shipped_model
    >>> from edgeq.io.load import load_model
    >>> model = load_model(shipped_model("digits")).model
    >>> input_specs(model)
    (InputSpec(name='image', dtype='float32', shape=('N', 1, 16, 16), form='tensor'),)
    """
    return tuple(value_spec(value) for value in model.graph.inputs if value.name not in model.graph.initializers)


def output_specs(model: ir.Model) -> tuple[InputSpec, ...]:
    """The graph outputs, in graph order."""
    return tuple(value_spec(value) for value in model.graph.outputs)


def value_spec(value: ir.Value) -> InputSpec:
    """Name, element type, shape and form of a value."""
    form, dtype = form_of(value), "unknown" if value.dtype is None else str(value.dtype.numpy())
    shape = None if value.shape is None else tuple(d if isinstance(d, int) else d.value for d in value.shape)
    return InputSpec(value.name or "", dtype, (None, *shape) if form == "sequence" and shape is not None else shape, form)


def form_of(value: ir.Value) -> Form:
    """What a value is; "tensor" where its type is unknown, and "sequence" for an optional one."""
    kind = value.type
    if isinstance(kind, ir.OptionalType):
        return "sequence" if isinstance(kind.elem_type, ir.SequenceType) else "optional"
    if isinstance(kind, ir.SequenceType):
        return "sequence"
    return "tensor" if kind is None or isinstance(kind, ir.TensorType) else "other"


def narrower(first: tuple[InputSpec, ...], second: tuple[InputSpec, ...]) -> tuple[InputSpec, ...]:
    """The inputs of `first`, with every dimension fixed that either model fixes.

    Both models accept such inputs.
    """
    others = {spec.name: spec for spec in second}
    return tuple(_narrowed(spec, others.get(spec.name)) for spec in first)


def _narrowed(spec: InputSpec, other: InputSpec | None) -> InputSpec:
    if other is None or spec.shape is None or other.shape is None or len(spec.shape) != len(other.shape):
        return spec
    dims = tuple(
        mine if isinstance(mine, int) or not isinstance(its, int) else its for mine, its in zip(spec.shape, other.shape, strict=True)
    )
    return replace(spec, shape=dims)


def has_type(value: ir.Value, kind: onnx.TypeProto) -> bool:
    """Whether a tensor has this type and shape already: nearly always, and read back in no time."""
    own, shape = value.type, value.shape
    if not kind.HasField("tensor_type") or not isinstance(own, ir.TensorType) or shape is None:
        return False
    told = kind.tensor_type
    if told.elem_type != own.dtype or not told.HasField("shape") or len(told.shape.dim) != len(shape):
        return False
    return all(
        size == one.dim_value and one.HasField("dim_value") if isinstance(size, int) else size.value == (one.dim_param or None)
        for size, one in zip(shape.dims, told.shape.dim, strict=True)
    )


@cache
def outputs_no_tensor(op_type: str, version: int, domain: str) -> bool:
    """Whether an output of the operator is always a sequence, an optional value or a map."""
    try:
        schema = onnx.defs.get_schema(op_type, version, domain)
    except onnx.defs.SchemaError:
        return False
    allowed = {one.type_param_str: one.allowed_type_strs for one in schema.type_constraints}  # output.types fails in onnx 1.20
    kinds = (allowed.get(output.type_str, [output.type_str]) for output in schema.outputs)
    return any(not any(kind.startswith("tensor(") for kind in one) for one in kinds)
