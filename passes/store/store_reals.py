"""Store float weights whose numbers have the form of a number format, with ONNX's own operators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names, drop_unread_constants
from edgeq.graph.read import nodes
from edgeq.graph.stored import stored
from edgeq.numerics.arrays import AnyArray
from edgeq.numerics.codebook import NODES_BYTES, turned
from edgeq.numerics.formats.format import Stored
from edgeq.passes.store.constant_nodes import ConstantNodes, Shared
from edgeq.passes.store.store_formats import FormatStorage, emit_stored
from edgeq.schema.weights import weight_key


@dataclass(frozen=True)
class StoreReals(ir.passes.InPlacePass):
    """Replace float32 weights by nodes that compute them; runtimes fold these at load time.

    Before:  y = Conv(x, w)
    After:   c = Cast <to = INT32> (w_codes)       v = Gather(values, c)
             e = Cast <to = INT32> (w_exponents)   f = Gather(powers, e)
             p = Mul(v, f)   l = Reshape(p, ...)   w = Transpose <perm = [0, 3, 1, 2]> (l)
             y = Conv(x, w)

    For formats whose `compute` is float: the result is the same float32 numbers, bit by bit, and
    the node runs as it did. A weight whose numbers do not have the form of the format, or whose
    nodes would take more bytes than it saves, stays. Readers of one initializer share its nodes.
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
                small = reals_in_format(array, wanted)
                if small is not None and small.nbytes + NODES_BYTES < array.nbytes:
                    emit_stored(ConstantNodes(value, names, opset, False, shared, "stored"), small, array.shape, wanted.axis)
                    modified = True
        if modified:
            drop_unread_constants(model)
        return ir.passes.PassResult(model, modified)


def reals_in_format(array: AnyArray, wanted: FormatStorage) -> Stored | None:
    """A float32 array in the format; None where it does not have its form."""
    if not array.size or array.dtype != np.float32 or not 0 <= wanted.axis < array.ndim or not np.all(np.isfinite(array)):
        return None
    front = turned(array.shape, wanted.axis)
    return wanted.format.of_reals(np.moveaxis(array, wanted.axis, 0).reshape(1, front[0], -1), front[1:] or (1,))
