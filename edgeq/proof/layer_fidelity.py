"""Find where the error comes from: compare inner values of the float model and the int8 model.

Values of the int8 model are dequantized for this.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.expose import expose
from edgeq.graph.read import is_op, nodes, values
from edgeq.numerics.arrays import F64, AnyArray
from edgeq.numerics.fidelity import ErrorSums
from edgeq.runtimes.ort import Session, open_session
from edgeq.schema.origins import read_exponents
from edgeq.schema.scaling import factors_of


@dataclass(frozen=True)
class LayerFidelity:
    """How far the first output of one float node is from its value in the int8 model."""

    #: name of the node
    name: str
    #: ONNX operator type of the node
    op_type: str
    #: SQNR of the value in the int8 model, in dB
    sqnr_db: float


class LayerProbe:
    """Both models, with their matching inner values as outputs.

    Only running sums are kept per layer, so that memory is that of one batch.
    """

    def __init__(self, float_model: ir.Model, int8_model: ir.Model, threads: int) -> None:
        int8_model = _told_in_floats(int8_model)
        pairs = match_layers(float_model, int8_model)
        self._nodes = {node.outputs[0].name: (node.name or node.op_type, node.op_type) for node in nodes(float_model) if node.outputs}
        # optimizations off: onnxruntime would quantize leftover float weights by itself and fuse
        # the values away
        self._float, float_outputs = _exposed(float_model, pairs.keys(), threads)
        self._int8, int8_outputs = _exposed(int8_model, pairs.values(), threads)
        self._pairs = [
            (value, float_outputs[value], int8_outputs[twin])
            for value, twin in pairs.items()
            if value in float_outputs and twin in int8_outputs
        ]
        self._sums = [ErrorSums() for _ in self._pairs]
        self._factors = factors_of(read_exponents(int8_model))

    def add(self, feeds: Mapping[str, AnyArray]) -> None:
        """Run one batch through both models."""
        if not self._pairs:
            return
        reference = self._float.run(feeds, [name for _, name, _ in self._pairs])
        other = self._int8.run(feeds, [name for _, _, name in self._pairs])
        for (value, _, _), sums, f, q in zip(self._pairs, self._sums, reference, other, strict=True):
            # a branch that is not taken outputs no elements
            if f.size and f.shape == q.shape:
                sums.add(f, _unscaled(q, self._factors.get(value)))

    def layers(self) -> tuple[LayerFidelity, ...]:
        """All layers, worst first; equal ones in the order of the graph.

        A value that no run produced (a branch that was not taken) is left out.
        """
        rows = [
            LayerFidelity(*self._nodes[value], -math.inf if sums.nonfinite else sums.sqnr_db)
            for (value, _, _), sums in zip(self._pairs, self._sums, strict=True)
            if sums.count
        ]
        return tuple(sorted(rows, key=lambda row: row.sqnr_db))


def match_layers(float_model: ir.Model, int8_model: ir.Model) -> dict[str, str]:
    """Float value name -> name of the same value in the int8 model.

    Where a value is quantized, its dequantized form is named. A float value `v` is found as the
    output of the DequantizeLinear behind the QuantizeLinear that reads `v`, or as
    `v_DequantizeLinear_Output`, or as `v` itself. Values that exist in one model only are left out.
    """
    by_name = {value.name: value for value in values(int8_model)}
    pairs: dict[str, str] = {}
    for node in nodes(float_model):
        value = node.outputs[0] if node.outputs else None
        if value is None or not value.name or is_op(node, "Constant") or value.dtype not in (ir.DataType.FLOAT, None):
            continue
        twin = _dequantized(by_name.get(value.name)) or by_name.get(f"{value.name}_DequantizeLinear_Output") or by_name.get(value.name)
        if twin is not None and twin.dtype in (ir.DataType.FLOAT, None) and twin.producer() is not None:
            pairs[value.name] = str(twin.name)
    return pairs


def _dequantized(value: ir.Value | None) -> ir.Value | None:
    """The output of the first DequantizeLinear behind a quantized value.

    It is what the readers of the value see; None: the value is not quantized.
    """
    if value is None:
        return None
    for use in value.uses():
        if is_op(use.node, "QuantizeLinear") and use.idx == 0:
            readers = (reader.node for reader in use.node.outputs[0].uses())
            return next((reader.outputs[0] for reader in readers if is_op(reader, "DequantizeLinear")), None)
    return None


def _told_in_floats(model: ir.Model) -> ir.Model:
    """A copy in which every value that is quantized is dequantized too.

    Codes that integer nodes alone read, such as those that a Concat joins, have no float form in
    the model. What is quantized has one, but not the saturation that stands for an activation.
    """
    copy = model.clone()
    for node in [one for one in nodes(copy) if is_op(one, "QuantizeLinear")]:
        codes = node.outputs[0]
        if _dequantized(node.inputs[0]) is None and node.graph is not None:
            attributes = [one for one in node.attributes.values() if one.name in ("axis", "block_size")]
            back = ir.Node("", "DequantizeLinear", [codes, *node.inputs[1:]], attributes, name=f"{node.name}_in_floats")
            back.outputs[0].name, back.outputs[0].type = f"{codes.name}_in_floats", ir.TensorType(ir.DataType.FLOAT)
            node.graph.insert_after(node, back)
    return copy


def _exposed(model: ir.Model, wanted: Iterable[str], threads: int) -> tuple[Session, dict[str, str]]:
    copy, outputs = expose(model, wanted)
    return open_session(copy, threads=threads, optimize="off", arena=False), outputs


def _unscaled(array: AnyArray, factors: F64 | None) -> AnyArray:
    """A value of an equalized model as the float model has it.

    Channels lie on axis 1, or on the last axis where axis 1 does not fit.
    """
    if factors is None:
        return array
    axis = 1 if array.ndim > 1 and array.shape[1] == factors.size else array.ndim - 1
    if array.ndim < 2 or array.shape[axis] != factors.size:
        return array
    shape = [1] * array.ndim
    shape[axis] = factors.size
    return np.asarray(array / factors.astype(np.float32).reshape(shape))
