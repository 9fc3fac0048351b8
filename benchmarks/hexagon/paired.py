"""A float graph with a QuantizeLinear and a DequantizeLinear around every value, as edgeq writes
it for Qualcomm's HTP.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
import onnx.parser
import onnxruntime as ort
from onnx import helper, numpy_helper

from edgeq.numerics.arrays import AnyArray

Range = tuple[float, float]
#: how a constant is stored: codes: unsigned, one grid. weight: signed and symmetric, one grid;
#: channels, channels 1: one scale per row of the first axis, of the second. bias: int32, scale of
#: the first input times that of the second. real: left in float
Storage = str


@dataclass(frozen=True)
class Form:
    """One form of an operator."""

    #: the operator, a word about the form
    name: str
    #: ONNX text that makes `b`, and perhaps `c`, of the inputs and constants
    nodes: str
    #: name of an input -> shape, or an array as the first sample
    inputs: Mapping[str, tuple[int, ...] | AnyArray] = field(default_factory=lambda: {"a": (1, 8, 6, 6)})
    constants: Mapping[str, AnyArray] = field(default_factory=dict)
    #: how constants of floats are stored; those left out: as codes
    stored: Mapping[str, Storage] = field(default_factory=dict)
    #: output and input have one grid
    copies: bool = False
    #: ranges that are not taken from data
    ranges: Mapping[str, Range] = field(default_factory=dict)
    opset: int = 17
    #: inputs are 0.1 and more: for logarithms and roots
    positive: bool = False
    outputs: tuple[str, ...] = ("b",)


def feeds_of(form: Form, seed: int) -> dict[str, AnyArray]:
    """One sample of every input."""
    chance = np.random.default_rng(seed)
    found: dict[str, AnyArray] = {}
    for name, given in form.inputs.items():
        if isinstance(given, np.ndarray):
            found[name] = chance.permutation(given.reshape(-1)).reshape(given.shape)
            continue
        numbers = chance.normal(size=given).astype(np.float32) * 1.5
        found[name] = np.abs(numbers) + np.float32(0.1) if form.positive else numbers
    return found


def float_model(form: Form) -> onnx.ModelProto:
    """The form as a float model."""
    words = ", ".join(_typed(name, given) for name, given in form.inputs.items())
    made = ", ".join(f"float {name}" for name in form.outputs)
    text = f'<ir_version: 8, opset_import: ["": {form.opset}]> form ({words}) => ({made}) {{ {form.nodes} }}'
    proto = onnx.parser.parse_model(text)
    proto.graph.initializer.extend(numpy_helper.from_array(np.asarray(array), name) for name, array in form.constants.items())
    for value in proto.graph.output:
        value.CopyFrom(onnx.ValueInfoProto(name=value.name))
    return onnx.shape_inference.infer_shapes(proto, strict_mode=True)


def _typed(name: str, given: tuple[int, ...] | AnyArray) -> str:
    kind, shape = ("float", given) if isinstance(given, tuple) else (str(given.dtype), given.shape)
    return f"{kind}[{', '.join(map(str, shape))}] {name}"


def seen_ranges(model: onnx.ModelProto, samples: Sequence[dict[str, AnyArray]]) -> dict[str, Range]:
    """Least and largest number of every float value, 0 included."""
    shown = onnx.ModelProto()
    shown.CopyFrom(model)
    del shown.graph.output[:]
    names = [name for node in model.graph.node for name in node.output if name]
    shown.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = ort.InferenceSession(shown.SerializeToString(), providers=["CPUExecutionProvider"])
    runs = [{**sample, **dict(zip(names, session.run(names, sample), strict=True))} for sample in samples]
    floats = [name for name, array in runs[0].items() if array.dtype == np.float32]
    return {
        name: (min(0.0, *(float(run[name].min()) for run in runs)), max(0.0, *(float(run[name].max()) for run in runs))) for name in floats
    }


class Pairs:
    """Writes the pairs."""

    def __init__(self, form: Form, ranges: Mapping[str, Range]) -> None:
        self._form = form
        self._ranges = {**ranges, **form.ranges}
        self._scales: dict[str, float] = {}
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def model(self) -> onnx.ModelProto:
        """The model with its pairs; its outputs are the names of the float model's."""
        floats = float_model(self._form)
        for name, array in self._form.constants.items():
            self._constant(name, np.asarray(array), floats.graph.node[-1])
        for value in floats.graph.input:
            if value.name in self._ranges:
                self._pair(value.name, self._ranges[value.name])
        first = next(iter(self._form.inputs))
        for node in floats.graph.node:
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            for index, name in enumerate(copy.input):
                if name in self._scales:
                    copy.input[index] = f"{name}_read"
            self._nodes.append(copy)
            for name in filter(self._ranges.__contains__, node.output):
                self._pair(name, self._ranges[first if self._form.copies else name])
        self._outputs(floats)
        floats.graph.ClearField("node")
        floats.graph.node.extend(self._nodes)
        floats.graph.ClearField("initializer")
        floats.graph.initializer.extend(self._constants)
        floats.graph.ClearField("value_info")
        return floats

    def scale_of(self, name: str) -> float:
        """The scale of a value; 1 for integers."""
        return self._scales.get(name, 1.0)

    def on_codes(self, sample: dict[str, AnyArray]) -> dict[str, AnyArray]:
        """The sample with every number at that of its code: two runtimes then read the same codes,
        however they round halves.
        """
        return {name: self._on_codes(name, array) if name in self._scales else array for name, array in sample.items()}

    def _on_codes(self, name: str, array: AnyArray) -> AnyArray:
        scale, zero = (
            numpy_helper.to_array(next(one for one in self._constants if one.name == f"{name}_{word}")) for word in ("scale", "zero")
        )
        codes = np.clip(np.rint(array / scale) + zero, 0, 255)
        return np.asarray((codes - zero) * scale, np.float32)

    def _outputs(self, floats: onnx.ModelProto) -> None:
        """A DequantizeLinear makes each float output, under its own name."""
        own = {value.name for value in floats.graph.output} & self._scales.keys()
        for node in self._nodes:
            renamed = {name: f"{name}_real" for name in own} | {f"{name}_read": name for name in own}
            for names in (node.input, node.output):
                names[:] = [renamed.get(name, name) for name in names]

    def _pair(self, name: str, ends: Range) -> None:
        scale = (ends[1] - ends[0]) / 255 or 1.0
        zero = int(np.clip(np.rint(-ends[0] / scale), 0, 255))
        self._store(f"{name}_scale", np.float32(scale)), self._store(f"{name}_zero", np.uint8(zero))
        grid = [f"{name}_scale", f"{name}_zero"]
        self._scales[name] = scale
        self._nodes.append(helper.make_node("QuantizeLinear", [name, *grid], [f"{name}_codes"], f"quantize_{name}"))
        self._nodes.append(helper.make_node("DequantizeLinear", [f"{name}_codes", *grid], [f"{name}_read"], f"dequantize_{name}"))

    def _constant(self, name: str, array: AnyArray, reader: onnx.NodeProto) -> None:
        storage = self._form.stored.get(name, "codes")
        if array.dtype != np.float32 or storage == "real":
            self._store(name, array)
            return
        axis: dict[str, int] = {}
        if storage == "codes":
            low, high = min(0.0, float(array.min())), max(0.0, float(array.max()))
            scale: AnyArray = np.asarray((high - low) / 255 or 1.0, np.float32)
            zero: AnyArray = np.asarray(np.clip(np.rint(-low / scale), 0, 255), np.uint8)
        elif storage == "bias":
            weight = numpy_helper.to_array(next(one for one in self._constants if one.name == f"{reader.input[1]}_scale"))
            first = reader.input[0]
            ends = self._ranges[first]
            scale, zero = np.asarray((ends[1] - ends[0]) / 255 * weight, np.float32), np.zeros(weight.shape, np.int32)
            axis = {"axis": 0} if weight.ndim else {}
        else:
            over = 1 if storage == "channels 1" else 0
            axis = {} if storage == "weight" else {"axis": over}
            peak = (
                np.abs(array).max()
                if storage == "weight"
                else np.abs(np.moveaxis(array, over, 0)).reshape(array.shape[over], -1).max(axis=1)
            )
            scale, zero = np.asarray(peak / 127, np.float32), np.zeros(np.shape(peak), np.int8)
        limits = np.iinfo(zero.dtype)
        shape = tuple(-1 if place == axis["axis"] else 1 for place in range(array.ndim)) if axis else ()
        codes = np.clip(np.rint(array / scale.reshape(shape)) + zero.reshape(shape), limits.min, limits.max).astype(zero.dtype)
        for word, part in (("codes", codes), ("scale", scale), ("zero", zero)):
            self._store(f"{name}_{word}", part)
        self._scales[name] = float(scale.max())
        parts = [f"{name}_{word}" for word in ("codes", "scale", "zero")]
        self._nodes.append(helper.make_node("DequantizeLinear", parts, [f"{name}_read"], f"dequantize_{name}", **axis))

    def _store(self, name: str, array: AnyArray | np.generic) -> None:
        self._constants.append(numpy_helper.from_array(np.asarray(array), name))
