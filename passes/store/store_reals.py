"""Store float weights in number formats of few bits, with ONNX's own operators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names, add_constant, drop_unread_constants
from edgeq.graph.read import nodes
from edgeq.graph.stored import stored
from edgeq.numerics.arrays import F32
from edgeq.numerics.codebook import NODES_BYTES, turned
from edgeq.numerics.formats.format import Stored
from edgeq.passes.store.constant_nodes import ConstantNodes, Shared
from edgeq.passes.store.store_formats import blocks_of, from_blocks
from edgeq.schema.weights import weight_key


@dataclass(frozen=True, eq=False)
class StoredReals:
    """What a float weight is stored as."""

    #: one group of all its output channels
    stored: Stored
    #: axis of the output channels
    axis: int

    def reals(self, shape: tuple[int, ...]) -> F32:
        """The numbers that it stands for, in the weight's shape."""
        front = self.stored.real.reshape(turned(shape, self.axis))
        return np.ascontiguousarray(np.moveaxis(front, 0, self.axis))


@dataclass(frozen=True)
class StoreReals(ir.passes.InPlacePass):
    """Replace float32 weights by nodes that compute them; runtimes fold these at load time.

    Before:  y = Conv(x, w)
    After:   c = Cast <to = INT32> (w_codes)       v = Gather(values, c)
             e = Cast <to = INT32> (w_exponents)   f = Gather(powers, e)
             p = Mul(v, f)   l = Reshape(p, ...)   w = Transpose <perm = [0, 3, 1, 2]> (l)
             y = Conv(x, w)

    The result is the float32 numbers of the format, bit by bit, and the node runs in float as it
    did. A format of int8 codes ends in a Cast and a Mul with the scales of the channels. A weight
    whose nodes would take more bytes than it saves, or whose numbers are not those of the format,
    stays. Readers of one initializer share its nodes.
    """

    #: "node name:input index" -> what the weight is stored as
    storage: Mapping[str, StoredReals]
    #: whether FP8 elements and their scales have types of their own, which opset 24 has
    typed: bool = False

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names, opset = Names(model), model.opset_imports.get("", 0)
        shared: Shared = {}
        modified = False
        for node in list(nodes(model)):
            for index in range(len(node.inputs)):
                wanted = self.storage.get(weight_key(node.name, index))
                found = None if wanted is None else stored(node.inputs[index])
                value = None if found is None else found.initializer
                if wanted is None or value is None or value.const_value is None or not _is_stored_as(value, wanted):
                    continue
                made = ConstantNodes(value, names, opset, False, shared, "stored", typed=self.typed and opset >= TYPED_OPSET)
                shape = tuple(value.const_value.shape.numpy())
                made.take_over(_reals(made, wanted, shape), shape)
                modified = True
        if modified:
            drop_unread_constants(model)
        return ir.passes.PassResult(model, modified)


#: the first opset with the type of E8M0 scales
TYPED_OPSET = 24


def _is_stored_as(value: ir.Value, wanted: StoredReals) -> bool:
    assert value.const_value is not None
    array = value.const_value.numpy()
    worth = wanted.stored.nbytes + NODES_BYTES + wanted.stored.format.more_bytes < array.nbytes
    return (
        worth
        and array.dtype == np.float32
        and array.size == wanted.stored.elements.size
        and np.array_equal(array, wanted.reals(array.shape))
    )


def _reals(made: ConstantNodes, wanted: StoredReals, shape: tuple[int, ...]) -> ir.Value:
    """The weight in float32 and in its shape."""
    numbers = from_blocks(made, blocks_of(made, wanted.stored), shape, wanted.axis)
    if numbers.dtype == ir.DataType.FLOAT:
        return numbers
    scale = np.asarray(wanted.stored.scales[0], np.float32).reshape([-1 if axis == wanted.axis else 1 for axis in range(len(shape))])
    steps = add_constant(made.graph, scale, made.names.value(f"{made.stem}_scale"))
    whole = made.cast(numbers, ir.DataType.FLOAT, shape)
    return made.node("Mul", [whole, steps], ir.DataType.FLOAT, (), shape)
