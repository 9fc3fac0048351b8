"""Give a value with a scale per channel one scale, where the layers around it can take the rest."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from edgeq.graph.code_grids import grid_of
from edgeq.graph.edit import Names, drop_unread_constants, replace_constant
from edgeq.graph.read import attribute_int, is_op, nodes, only_consumer
from edgeq.numerics.arrays import F32, F64, AnyArray
from edgeq.numerics.grid import PerChannel, QuantParams
from edgeq.passes.foreign.changes import record
from edgeq.passes.foreign.one_quantizer import quantizers
from edgeq.passes.foreign.stored_constants import StoredConstant, stored_constant
from edgeq.passes.quantize.qdq import dequantize_constant, grid_constants


@dataclass(frozen=True)
class OneScale(ir.passes.InPlacePass):
    """Move the scales per channel between two convolutions into the scales of their weights.

    Before:  q = QuantizeLinear <axis = 1> (Relu(Conv(x, w, b)), [s, 2s], z)
             y = Conv <group = 2> (DequantizeLinear(q), v)
    After:   q = QuantizeLinear(Relu(Conv(x, w', b')), 2s, z)     w', b': channel 0 times 2
             y = Conv <group = 2> (DequantizeLinear(q), v')       v': channel 0 divided by 2

    Every code stays: of the value, and of both weights, whose scales alone change. The layer before
    has a weight scale per output, or gets one; Relu at most lies between; the layers behind are
    depthwise, and all channels have one zero point. NNCF quantizes the inputs of depthwise
    convolutions so.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        merged = [_merge(model, node, names) for node in list(nodes(model)) if is_op(node, "QuantizeLinear")]
        if any(merged):
            drop_unread_constants(model)
        return ir.passes.PassResult(model, modified=any(merged))


def _merge(model: ir.Model, quantize: ir.Node, names: Names) -> bool:
    grid, maker = grid_of(quantize), _maker(quantize)
    if grid is None or maker is None or not isinstance(grid.granularity, PerChannel) or grid.granularity.axis != 1:
        return False
    readers = _depthwise_readers(quantize, grid)
    weight, bias = stored_constant(maker.inputs[1]), stored_constant(maker.inputs[2] if len(maker.inputs) > 2 else None)
    if not readers or np.unique(grid.zero_point).size != 1 or not _along_outputs(weight) or (bias is None and len(maker.inputs) > 2):
        return False
    assert weight is not None
    scale = grid.scale.astype(np.float64)
    largest = np.asarray(scale.max(), np.float32)
    up = float(largest) / scale
    _store(maker, 1, _scaled(weight, up), names)
    if bias is not None:
        _store(maker, 2, _scaled(bias, up), names)
    one = QuantParams(grid.dtype, largest, np.asarray(grid.zero_point.reshape(-1)[0], np.int32))
    for node in (quantize, *(reader.inputs[0].producer() for reader in readers)):  # type: ignore[union-attr]  # _depthwise_readers
        assert node is not None
        for index, value in enumerate(grid_constants(model.graph, one, f"{node.name}_one", names), start=1):
            node.replace_input_with(index, value)
        node.attributes.pop("axis", None)
    for reader in readers:
        stored = stored_constant(reader.inputs[1])
        assert stored is not None  # _depthwise_readers looked
        multiplied = stored.array.shape[0] // scale.size  # outputs of one input channel
        _store(reader, 1, _scaled(stored, np.repeat(1 / up, multiplied)), names)
    record(model, "operator_replaced", maker, f"the {scale.size} scales of its output moved into the scales of the weights around it", 0.0)
    return True


def _maker(quantize: ir.Node) -> ir.Node | None:
    """The Conv that makes what is quantized, a Relu at most between; nothing else reads either."""
    value = quantize.inputs[0]
    node = None if value is None or only_consumer(value) is not quantize else value.producer()
    if node is not None and is_op(node, "Relu"):
        value = node.inputs[0]
        node = None if value is None or only_consumer(value) is not node else value.producer()
    return node if is_op(node, "Conv") else None


def _depthwise_readers(quantize: ir.Node, grid: QuantParams) -> list[ir.Node]:
    """The depthwise Conv nodes that read the codes; empty: something else reads them too."""
    found = []
    codes = quantize.outputs[0]
    for use in codes.uses():
        up = use.node
        reader = only_consumer(up.outputs[0]) if is_op(up, "DequantizeLinear") and grid_of(up) == grid else None
        weight = (
            stored_constant(reader.inputs[1])
            if reader is not None and is_op(reader, "Conv") and reader.inputs[0] is up.outputs[0]
            else None
        )
        if reader is None or weight is None or not _along_outputs(weight) or attribute_int(reader, "group", 1) != grid.scale.size:
            return []
        found.append(reader)
    return [] if codes.is_graph_output() or quantizers(codes) else found


def _along_outputs(weight: StoredConstant | None) -> bool:
    """Whether the codes have one scale, or one for each output."""
    if weight is None or weight.grid is None:
        return False
    return not isinstance(weight.grid.granularity, PerChannel) or weight.grid.granularity.axis % weight.array.ndim == 0


def _scaled(stored: StoredConstant, factors: F64) -> tuple[AnyArray, QuantParams | None]:
    """The constant times a factor per output: its scales, or its numbers where it has none."""
    if stored.grid is None:
        return np.asarray(stored.real * factors, np.float32), None
    scale: F32 = np.asarray(np.broadcast_to(stored.grid.scale, factors.shape) * factors, np.float32)
    zero = np.array(np.broadcast_to(stored.grid.zero_point, factors.shape))
    return stored.array, replace(stored.grid, scale=scale, zero_point=zero, granularity=PerChannel(0))


def _store(node: ir.Node, index: int, made: tuple[AnyArray, QuantParams | None], names: Names) -> None:
    array, grid = made
    value = node.inputs[index]
    assert value is not None  # it is stored
    if grid is not None:
        node.replace_input_with(index, dequantize_constant(node, array, grid, str(value.name), names))
        return
    replace_constant(node, index, array, names)
