"""Store weights in number formats of few bits, with ONNX's own operators."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names, drop_unread_constants
from edgeq.graph.read import nodes
from edgeq.graph.stored import stored
from edgeq.numerics.arrays import AnyArray
from edgeq.numerics.codebook import NODES_BYTES, turned
from edgeq.numerics.formats.format import ChannelGrid, Format, Stored
from edgeq.numerics.formats.table import family_of
from edgeq.passes.store.constant_nodes import ConstantNodes, Shared
from edgeq.schema.weights import weight_key

#: adds the nodes that compute a weight; returns its numbers [C, B, n], in blocks along the input
#: channels (edgeq/numerics/formats/blocks.py), as int8 codes or as floats
Store = Callable[[ConstantNodes, Stored], ir.Value]


@dataclass(frozen=True)
class FormatStorage:
    """How one weight is stored."""

    format: Format
    #: axis of the output channels
    axis: int


@dataclass(frozen=True)
class StoreFormats(ir.passes.InPlacePass):
    """Replace int8 weights by nodes that compute them; runtimes fold these at load time.

    Before:  w_d = DequantizeLinear <axis = 0> (w, w_scale, w_zero_point)   y = Conv(x, w_d)
    After:   c = Cast <to = INT32> (w_codes)   s = Cast <to = INT32> (w_vector_scales)
             p = Mul(c, s)   b = Cast <to = INT8> (p)
             l = Reshape(b, ...)   w = Transpose <perm = [0, 3, 1, 2]> (l)
             w_d = DequantizeLinear <axis = 0> (w, w_scale, w_zero_point)   y = Conv(x, w_d)

    The result is the same int8 codes. A DequantizeLinear of the small codes would not do:
    onnxruntime folds none, and runs those of blocks at every inference. Codes of four bits have a
    type of their own from opset 21 on; before, BitShift and BitwiseAnd (opset 18) or Div and Mod
    (opset 13) unpack bytes. A weight whose codes do not have the form of the format, or whose nodes
    would take more bytes than it saves, stays.
    """

    #: "node name:input index" -> how the weight is stored
    storage: Mapping[str, FormatStorage]

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names, opset = Names(model), model.opset_imports.get("", 0)
        shared: Shared = {}
        modified = False
        for node in list(nodes(model)):
            for index in range(len(node.inputs)):
                wanted = self.storage.get(weight_key(node.name, index))
                found = None if wanted is None else stored(node.inputs[index])
                value = None if found is None else found.initializer
                if wanted is None or value is None or value.const_value is None:
                    continue
                array = value.const_value.numpy()
                small = worth_storing(array, wanted)
                if small is not None:
                    _emit(ConstantNodes(value, names, opset, False, shared, "stored"), small, array.shape, wanted.axis)
                    modified = True
        if modified:
            drop_unread_constants(model)
        return ir.passes.PassResult(model, modified)


def worth_storing(array: AnyArray, wanted: FormatStorage) -> Stored | None:
    """An int8 array in the format; None where it has none, or where that would not save bytes."""
    if not array.size or array.dtype != np.int8 or not 0 <= wanted.axis < array.ndim or family_of(wanted.format).stored_by is None:
        return None
    front = turned(array.shape, wanted.axis)
    rows = np.moveaxis(array, wanted.axis, 0).reshape(1, front[0], -1).astype(np.float32)
    small = wanted.format.encoded(ChannelGrid(np.ones((1, front[0]), np.float32), rows), front[1:] or (1,))
    return small if small is not None and small.nbytes + NODES_BYTES + small.format.more_bytes < array.nbytes else None


def _emit(made: ConstantNodes, small: Stored, shape: tuple[int, ...], axis: int) -> None:
    """Add the nodes of a weight and let them replace its initializer."""
    made.take_over(from_blocks(made, blocks_of(made, small), shape, axis), shape)


def blocks_of(made: ConstantNodes, small: Stored) -> ir.Value:
    """Add the nodes of a weight in blocks, as the file of its format writes them."""
    module = import_module(f"edgeq.passes.store.store_{family_of(small.format).stored_by}")
    write: Store = module.store
    return write(made, small)


def from_blocks(made: ConstantNodes, blocks: ir.Value, shape: tuple[int, ...], axis: int) -> ir.Value:
    """Numbers [C, B, n] in blocks along the input channels, in the shape of their weight."""
    channels, *kernel = turned(shape, axis)
    kind = blocks.dtype
    assert blocks.shape is not None
    assert kind is not None
    wide, columns = math.prod(blocks.shape.numpy()[1:]), math.prod(kernel)
    if wide > columns:
        ends = [made.shared(np.array([number], np.int64)) for number in (0, columns, 1)]
        flat = made.reshaped(blocks, (channels, wide))
        blocks = made.node("Slice", [flat, *ends], kind, (), (channels, columns))
    last = made.reshaped(blocks, (channels, *kernel[1:], *kernel[:1]))
    # where the axes of the weight lie: output channels first, then taps, then input channels
    inner = [len(kernel), *range(1, len(kernel))] if kernel else []
    order = [*inner[:axis], 0, *inner[axis:]]
    if order == sorted(order):
        return last
    return made.node("Transpose", [last], kind, [ir.AttrInt64s("perm", order)], shape)
