"""Attributes as ONNX means them: what a node leaves out has a default."""

from __future__ import annotations

import onnx
import onnx_ir as ir

from edgeq.graph.read import ONNX_DOMAINS


def attribute(node: ir.Node, name: str) -> int | float | str | None:
    """The number or text of an attribute, the largest of a list; ONNX's default where the node
    leaves it out, None where there is none.

    >>> import onnx_ir as ir
    >>> text = '<ir_version: 8, opset_import: ["" : 17]> net (float[1, 2, 4] x) => (float y) '
    >>> node = ir.from_onnx_text(text + "{ y = MaxPool<kernel_shape = [2]>(x) }").graph.node(0)
    >>> [attribute(node, name) for name in ("kernel_shape", "ceil_mode", "dilations")]
    [2, 0, None]
    """
    found = node.attributes.get(name)
    if found is not None:
        value = found.value
        return max(value, default=None) if isinstance(value, (list, tuple)) else value
    if node.domain not in ONNX_DOMAINS or not onnx.defs.has(node.op_type):
        return None
    known = onnx.defs.get_schema(node.op_type).attributes
    default = known[name].default_value if name in known else None
    if default is None or not default.type:
        return None
    given = onnx.helper.get_attribute_value(default)
    return given.decode() if isinstance(given, bytes) else given
