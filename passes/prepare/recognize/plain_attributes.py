"""The attributes of a node in a form that can be compared and hashed."""

from __future__ import annotations

from collections.abc import Hashable

import onnx_ir as ir

#: attributes that can be compared by what they hold
_PLAIN = (ir.AttributeType.FLOAT, ir.AttributeType.INT, ir.AttributeType.STRING, ir.AttributeType.FLOATS, ir.AttributeType.INTS)


def plain_attributes(node: ir.Node) -> Hashable:
    """Equal for two nodes if their attributes are; a node with others is equal to no other."""
    if not node.attributes:
        return ()
    if any(attribute.type not in _PLAIN for attribute in node.attributes.values()):
        return node
    return tuple(sorted((name, repr(attribute.value)) for name, attribute in node.attributes.items()))
