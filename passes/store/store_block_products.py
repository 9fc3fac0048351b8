"""Compute products of few rows with weights of four bits in blocks, as onnxruntime has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names, add_constant, drop_unread_constants
from edgeq.graph.read import attribute_float, attribute_int, constant, is_op, nodes, owner, rank
from edgeq.numerics.arrays import AnyArray
from edgeq.numerics.formats.block import LOWEST, FloatBlocks
from edgeq.numerics.formats.blocks import cut
from edgeq.numerics.formats.format import Stored
from edgeq.numerics.packing import pack
from edgeq.schema.weights import weight_key

DOMAIN, VERSION = "com.microsoft", 1
#: activations are rounded to 8 bits in blocks. Level 0, in floats, is no faster than float weights
LEVEL = 4


@dataclass(frozen=True)
class StoreBlockProducts(ir.passes.InPlacePass):
    """Replace products with constant weights by MatMulNBits, which reads the codes as they are.

    Before:  y = Gemm(x, w, b)
    After:   y = com.microsoft.MatMulNBits <K, N, bits = 4, block_size, accuracy_level = 4>
                 (x, w_codes, w_scales, , , b)

    The accuracy level is written out, so that every session computes alike: left out, it is one of
    onnxruntime's settings. The outputs change as with 8-bit activations. A weight that others read,
    and a Gemm that does more than multiply and add, stay.
    """

    #: "node name:1" -> the weight in blocks with float scales, one group of its output channels
    storage: Mapping[str, Stored]

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names, modified = Names(model), False
        for node in list(nodes(model)):
            wanted = self.storage.get(weight_key(node.name, 1))
            if wanted is None or not can_be_block_product(node):
                continue
            model.opset_imports.setdefault(DOMAIN, VERSION)
            _replace(node, wanted, names)
            modified = True
        if modified:
            drop_unread_constants(model)
        return ir.passes.PassResult(model, modified)


def can_be_block_product(node: ir.Node) -> bool:
    """Whether a node is a product x w + b of a float weight [K, N] that nobody else reads."""
    value = node.inputs[1] if is_op(node, "Gemm", "MatMul") else None
    if value is None or not value.is_initializer() or value.dtype != ir.DataType.FLOAT or rank(value) != 2:
        return False
    if len(value.uses()) != 1 or value.is_graph_output() or value.is_graph_input():
        return False
    if is_op(node, "MatMul"):
        return (rank(node.inputs[0]) or 0) >= 2
    plain = attribute_float(node, "alpha", 1.0) == attribute_float(node, "beta", 1.0) == 1.0 and not attribute_int(node, "transA", 0)
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    numbers = None if bias is None else constant(bias)
    outputs = value.shape.numpy()[0 if attribute_int(node, "transB", 0) else 1] if value.shape is not None else 0
    return plain and (bias is None or (numbers is not None and numbers.shape == (outputs,)))


def _replace(node: ir.Node, wanted: Stored, names: Names) -> None:
    form = wanted.format
    assert isinstance(form, FloatBlocks)
    blocks = cut(wanted.elements[0], wanted.kernel, form.size)
    codes = pack((blocks - LOWEST).astype(np.uint8), 4).reshape(*blocks.shape[:2], form.size // 2)
    arrays: dict[str, AnyArray] = {"codes": codes, "scales": np.asarray(wanted.scales[0][0], np.float32).reshape(-1)}
    weight = [add_constant(owner(node), array, names.value(f"{node.name}_{word}")) for word, array in arrays.items()]
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    inputs = [node.inputs[0], *weight, *([] if bias is None else [None, None, bias])]
    node.resize_inputs(len(inputs))
    for index, value in enumerate(inputs):
        node.replace_input_with(index, value)
    facts = {"K": wanted.elements.shape[2], "N": wanted.elements.shape[1], "bits": 4, "block_size": form.size, "accuracy_level": LEVEL}
    node.attributes.clear()
    for name, number in facts.items():
        node.attributes.add(ir.AttrInt64(name, number))
    node.domain, node.op_type = DOMAIN, "MatMulNBits"
