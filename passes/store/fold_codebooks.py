"""Store weights of few distinct values as packed indices and a table, with ONNX's own operators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import onnx_ir as ir

from edgeq.graph.edit import Names, drop_unread_constants
from edgeq.graph.read import nodes
from edgeq.graph.stored import stored
from edgeq.numerics.arrays import AnyArray
from edgeq.numerics.codebook import NODES_BYTES, Codebook, Grain, encode, stored_bytes
from edgeq.passes.store.codebook_nodes import CodebookNodes
from edgeq.passes.store.constant_nodes import Shared
from edgeq.schema.weights import weight_key


@dataclass(frozen=True)
class Storage:
    """How one weight is stored."""

    #: what shares a table, and what one entry stands for
    grain: Grain
    #: axis of the output channels
    axis: int
    #: the widest index allowed
    bits: int = 8


@dataclass(frozen=True)
class FoldCodebooks(ir.passes.InPlacePass):
    """Replace initializers by nodes that compute them; runtimes fold these at load time.

    Before:  y = Conv(x, w)
    After:   i = Cast <to = INT32> (w_indices)   w = Gather(w_table, i)   y = Conv(x, w)

    Indices of 8 bits, of 4 bits from opset 21 on, and of 2 bits with `uint2` have a type of their
    own. Others are packed into bytes, which BitShift and BitwiseAnd (opset 18) or Div and Mod
    (opset 13) unpack; 3, 5 and 6 bits are split into 2 and 1, 4 and 1, 4 and 2. Of a weight behind
    a DequantizeLinear, the integers are stored so. Nodes that share an initializer share its
    codebook. An initializer with too many values for its bits, or too few to save bytes, stays.
    """

    #: "node name:input index" -> how the weight is stored
    storage: Mapping[str, Storage]
    #: whether the 2-bit type of opset 25 replaces packed bytes
    uint2: bool = False

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
                book = worth_a_codebook(value.const_value.numpy(), wanted)
                if book is not None:
                    CodebookNodes(value, names, opset, self.uint2, shared, "codebook").emit(book)
                    modified = True
        if modified:
            drop_unread_constants(model)
        return ir.passes.PassResult(model, modified)


def worth_a_codebook(array: AnyArray, wanted: Storage) -> Codebook | None:
    """The codebook of an array; None when it has none, or when that would not save bytes."""
    if not array.size or not 0 <= wanted.axis < array.ndim:
        return None
    book = encode(array, wanted.grain, wanted.axis, wanted.bits)
    return book if book is not None and stored_bytes(book) + NODES_BYTES < array.nbytes else None
