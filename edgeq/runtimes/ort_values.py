"""Turn arrays into what an onnxruntime session is fed, and what it gives into arrays.

numpy has no bfloat16, no float8 and no 4-bit types, and sequences and maps are not arrays at all.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import onnx_ir as ir

from edgeq.graph.signature import Form, InputSpec
from edgeq.numerics.arrays import AnyArray
from edgeq.runtimes.running import stoppable

if TYPE_CHECKING:
    import onnxruntime as ort  # type: ignore[import-untyped]  # ships no types

#: the types of tensors that onnxruntime does not hand over as numpy arrays, or as bytes alone
_FOREIGN = re.compile(r"^tensor\((bfloat16|float8\w*|float4\w*|u?int[24])\)$")


@dataclass(frozen=True)
class Values:
    """The types of a session's inputs and outputs, as onnxruntime writes them, by name."""

    #: such as "tensor(float)", "seq(tensor(float))", "optional(tensor(float))"
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]

    @classmethod
    def of(cls, session: ort.InferenceSession) -> Self:
        """The types of an open session."""
        inputs, outputs = ({one.name: str(one.type) for one in ends} for ends in (session.get_inputs(), session.get_outputs()))
        return cls(inputs, outputs)

    def run(self, session: ort.InferenceSession, names: Sequence[str], feeds: Mapping[str, AnyArray]) -> list[AnyArray]:
        """Run the session once; returns the named outputs in order (see output_array)."""
        import onnxruntime as ort

        given = {name: _fed(array, self.inputs.get(name, "")) for name, array in feeds.items()}
        foreign = [name for name in names if _FOREIGN.match(self.outputs.get(name, ""))]
        plain = [name for name in names if name not in foreign]
        with stoppable(ort.RunOptions()) as options:
            found = dict(zip(foreign, _foreign(session, foreign, given, options) if foreign else [], strict=True))
            found.update(zip(plain, map(output_array, session.run(plain, given, options) if plain else []), strict=True))
        return [found[name] for name in names]


def type_spec(name: str, type_text: str, shape: Sequence[int | str | None]) -> InputSpec:
    """The signature of an input as onnxruntime describes it, with types such as 'tensor(float)'.

    onnxruntime cannot tell a scalar from an unknown rank: both have the shape []. It tells no shape
    of a sequence.
    """
    element = re.search(r"tensor\((\w+)\)", type_text)
    forms: dict[str, Form] = {"seq": "sequence", "tensor": "tensor", "optional": "optional"}
    form = "sequence" if "seq(tensor" in type_text else forms.get(type_text.partition("(")[0], "other")
    known = element is not None and element[1].upper() in ir.DataType.__members__
    dtype = str(ir.DataType[element[1].upper()].numpy()) if element is not None and known else type_text
    return InputSpec(name, dtype, None if form == "sequence" else tuple(shape), form)


def output_array(value: object) -> AnyArray:
    """What a session gave as one array.

    A tensor is itself. A sequence of tensors of one shape is stacked along axis 0; tensors of
    several shapes are laid end to end, flat. A map (ZipMap) is its values in the order of its keys,
    a sequence of maps is [maps, keys], and what an optional output lacks is an empty array.
    """
    if isinstance(value, np.ndarray):
        return value
    if value is None or (isinstance(value, list) and not value):
        return np.zeros(0, np.float32)
    if isinstance(value, dict):
        return np.asarray([value[key] for key in sorted(value)])
    if not isinstance(value, list):
        return np.asarray(value)
    parts = [output_array(part) for part in value]
    alike = len({(part.shape, part.dtype.kind) for part in parts}) == 1
    return np.stack(parts) if alike else np.concatenate([part.reshape(-1) for part in parts])


def _fed(array: AnyArray, type_text: str) -> object:
    """An array in the form that a session takes for an input of this type."""
    if "seq(" in type_text:
        return list(array)
    return _ort_value(array, type_text) if _FOREIGN.match(type_text) else array


def _ort_value(array: AnyArray, type_text: str) -> object:
    import onnx
    import onnxruntime as ort

    kind = _element(type_text)
    packed = np.frombuffer(onnx.numpy_helper.from_array(array.astype(kind.numpy(), copy=False)).raw_data, np.uint8)
    room = np.zeros(array.shape, np.uint16 if kind.bitwidth == 16 else np.uint8)
    room.reshape(-1).view(np.uint8)[: packed.size] = packed  # two 4-bit numbers share a byte: the rest is not read
    return ort.OrtValue.ortvalue_from_numpy_with_onnx_type(room, int(kind))


def _foreign(session: ort.InferenceSession, names: list[str], given: Mapping[str, object], options: ort.RunOptions) -> list[AnyArray]:
    """The named outputs of types that numpy lacks, in a type that holds all their numbers."""
    import onnxruntime as ort

    feeds = {name: ort.OrtValue.ortvalue_from_numpy(one) if isinstance(one, np.ndarray) else one for name, one in given.items()}
    return [_decoded(value) for value in session.run_with_ort_values(names, feeds, options)]


def _decoded(value: ort.OrtValue) -> AnyArray:
    """A tensor of a type that numpy lacks: float32 for its floats, int8 for its integers."""
    import onnx

    kind, shape = ir.DataType(value.element_type()), value.shape()
    wanted = np.float32 if kind.is_floating_point() else np.int8 if kind.is_signed() else np.uint8
    size = -(-int(np.prod(shape)) * kind.bitwidth // 8)
    held = ctypes.string_at(value.data_ptr(), size) if size else b""
    proto = onnx.TensorProto(data_type=int(kind), dims=shape, raw_data=held)
    return np.asarray(onnx.numpy_helper.to_array(proto)).astype(wanted)


def _element(type_text: str) -> ir.DataType:
    return ir.DataType[type_text.removeprefix("tensor(").removesuffix(")").upper()]
