"""Replace a ConvTranspose whose windows do not overlap by a Conv and DepthToSpace."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names, add_constant
from edgeq.graph.read import attribute_int, attribute_ints, constant, is_op, nodes, owner
from edgeq.numerics.arrays import AnyArray


@dataclass(frozen=True)
class DeconvToConv(ir.passes.InPlacePass):
    """Replace ConvTranspose with kernel = stride = k by a Conv with a window of size 1.

    Each input position makes k x k output positions of its own: k * k times the channels, which
    DepthToSpace then moves to their places. The Conv has an integer kernel. The Conv keeps the
    node's name, and DepthToSpace's output keeps the output's name.

    Before: `y = ConvTranspose<kernel_shape = [2, 2], strides = [2, 2]>(x, w, b)`
    After:  `p = Conv(x, w as 1 x 1, b four times)`, `y = DepthToSpace<blocksize = 2>(p)`
    """

    #: names of nodes that stay unchanged
    keep: Set[str] = frozenset()
    #: the least number of input channels of a group: the work that the Conv saves grows with it,
    #: what DepthToSpace and the wider result cost does not
    least_channels: int = 1

    only_for: ClassVar[tuple[str, ...]] = ("ConvTranspose",)

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        changed = False
        for node in [node for node in nodes(model) if is_op(node, "ConvTranspose") and node.name not in self.keep]:
            block = _block(node, self.least_channels)
            if block is not None:
                _rewrite(node, block, names)
                changed = True
        return ir.passes.PassResult(model, modified=changed)


def _block(node: ir.Node, least_channels: int) -> int | None:
    """k of a node that can be replaced, else None."""
    weight, bias = constant(node.inputs[1]), node.inputs[2] if len(node.inputs) > 2 else None
    if weight is None or weight.ndim != 4 or (bias is not None and constant(bias) is None):
        return None
    strides, dilations = (attribute_ints(node, name) or (1, 1) for name in ("strides", "dilations"))
    moved = (
        any(attribute_ints(node, "pads") or ()) or any(attribute_ints(node, "output_padding") or ()) or "output_shape" in node.attributes
    )
    if moved or node.attributes.get_string("auto_pad", "NOTSET") not in ("NOTSET", "VALID") or dilations != (1, 1):
        return None
    enough = weight.shape[0] // attribute_int(node, "group", 1) >= least_channels
    return strides[0] if enough and strides[0] > 1 and weight.shape[2:] == strides == (strides[0],) * 2 else None


def _rewrite(node: ir.Node, block: int, names: Names) -> None:
    weight, group = constant(node.inputs[1]), attribute_int(node, "group", 1)
    assert weight is not None
    inputs: list[ir.Value | None] = [node.inputs[0], add_constant(owner(node), _as_conv(weight, group), names.value(f"{node.name}_weight"))]
    bias = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    if bias is not None:
        repeated = np.repeat(bias, block * block) if group > 1 else np.tile(bias, block * block)
        inputs.append(add_constant(owner(node), repeated, names.value(f"{node.name}_bias")))
    out = node.outputs[0]
    wide = ir.Value(name=names.value(f"{out.name}_channels"), type=out.type)
    source = node.inputs[0]
    if source is not None and source.shape is not None:
        channels = weight.shape[1] * group * block * block
        wide.shape = ir.Shape([source.shape[0], channels, *list(source.shape)[2:]])
    name, node.name = node.name, None
    attributes = [ir.AttrInt64("group", group), ir.AttrInt64s("kernel_shape", [1, 1])]
    owner(node).insert_before(node, ir.Node("", "Conv", inputs, attributes, outputs=[wide], name=name))
    node.op_type, node.name = "DepthToSpace", names.node(f"{name}_depth_to_space")
    node.attributes.clear()
    node.attributes["blocksize"] = ir.AttrInt64("blocksize", block)
    node.attributes["mode"] = ir.AttrString("mode", "CRD" if group > 1 else "DCR")
    node.resize_inputs(1)
    node.replace_input_with(0, wide)


def _as_conv(weight: AnyArray, group: int) -> AnyArray:
    """[in, out / group, k, k] as [k * k * out, in / group, 1, 1].

    A grouped Conv makes the channels of one group after the other, so that those of one output are
    neighbours (CRD); otherwise those of one position are (DCR).
    """
    inner = weight.reshape(group, weight.shape[0] // group, *weight.shape[1:])
    order = (0, 2, 3, 4, 1) if group > 1 else (3, 4, 0, 2, 1)
    return np.ascontiguousarray(inner.transpose(order).reshape(-1, inner.shape[1], 1, 1))
