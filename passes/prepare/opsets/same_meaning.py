"""Whether a model means the same in another opset, so that only the number has to change."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import onnx
import onnx_ir as ir

from edgeq.graph.read import ONNX_DOMAINS, nodes

_Parameter = onnx.defs.OpSchema.FormalParameter


def differing_node(model: ir.Model, opset: int) -> ir.Node | None:
    """The first node whose operator is another in `opset`; None: the number alone can change.

    An operator is the same where the schemas of both opsets have the same words, attributes with
    the same defaults, and the same inputs and outputs, and the older one allows the element types
    that the node works on: most new versions only add element types.
    """
    version = model.opset_imports.get("", opset)
    for node in nodes(model):
        if node.domain in ONNX_DOMAINS and not _same(node, version, opset):
            return node
    return None


def _same(node: ir.Node, version: int, opset: int) -> bool:
    try:
        now, then = (onnx.defs.get_schema(node.op_type, number, "") for number in (version, opset))
    except onnx.defs.SchemaError:
        return False  # there is none in one of the opsets
    if now.since_version == then.since_version:
        return True
    form = _form(node.op_type, now.since_version)
    return form == _form(node.op_type, then.since_version) and _allows(then, node.inputs, node.outputs)


@cache
def _form(op_type: str, since: int) -> tuple[object, ...]:
    schema = onnx.defs.get_schema(op_type, since, "")
    attributes = {
        name: (str(one.type), one.required, one.default_value.SerializeToString(deterministic=True))
        for name, one in schema.attributes.items()
    }
    parameters = [(one.name, str(one.option), one.type_str) for group in (schema.inputs, schema.outputs) for one in group]
    return "".join((schema.doc or "").split()), tuple(sorted(attributes.items())), tuple(parameters)


def _allows(schema: onnx.defs.OpSchema, inputs: Sequence[ir.Value | None], outputs: Sequence[ir.Value]) -> bool:
    allowed = {one.type_param_str: set(one.allowed_type_strs) for one in schema.type_constraints}

    def fits(value: ir.Value | None, parameters: list[_Parameter], index: int) -> bool:
        word = parameters[min(index, len(parameters) - 1)].type_str
        if value is None or word not in allowed:
            return True
        # the rest are optional values and sequences, or of unknown type
        return isinstance(value.type, ir.TensorType) and f"tensor({value.type.dtype.name.lower()})" in allowed[word]

    groups = ((inputs, list(schema.inputs)), (outputs, list(schema.outputs)))
    return all(fits(value, parameters, index) for values, parameters in groups for index, value in enumerate(values))
