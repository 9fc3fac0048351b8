"""Say a model of opset 1 to 6 in opset 7, node by node."""

from __future__ import annotations

import onnx
import onnx_ir as ir
import onnx_ir.passes.common as common_passes

from edgeq.graph.edit import Names
from edgeq.graph.read import ONNX_DOMAINS, nodes
from edgeq.io.old_opsets.attributes import renew_attributes
from edgeq.io.old_opsets.batch_norm import renew_batch_norm
from edgeq.io.old_opsets.broadcasting import align_operands
from edgeq.io.old_opsets.operands import renew_operands, renew_tile
from edgeq.io.old_opsets.raising import Raising

#: before this opset, BatchNormalization had forms that neither onnx's converter nor a runtime takes
_NEW_BATCH_NORM = 9


def to_opset_7(model: ir.Model, where: str) -> str | None:
    """Raise the model to opset 7 in place; returns a line for the report, None for a newer model.

    The forms of the operators are those of onnx's own old schemas. Values and outputs keep their
    names, and so do nodes. The names must be unique. Raises UnsupportedOpset, which names the node,
    for what opset 7 cannot express.
    """
    version = model.opset_imports.get("")
    if version is None or version >= _NEW_BATCH_NORM:
        return None
    raising = Raising(model, where, version, Names(model))
    old = [node for node in nodes(model) if node.domain in ONNX_DOMAINS]
    for node in old:
        renew_batch_norm(raising, node)
    if version >= 7:
        return None
    old = [node for node in old if node.graph is not None]
    for node in old:
        renew_operands(raising, node)
    # all nodes are of the forms of opset 6 now, as far as inference looks at them: it gives the
    # ranks that the rest needs
    model.opset_imports[""] = 6
    common_passes.ShapeInferencePass(check_type=False, strict_mode=False, data_prop=False)(model)
    for node in old:
        align_operands(raising, node)
        renew_tile(raising, node)
        renew_attributes(raising, node)
        _check(raising, node)
    model.opset_imports[""] = 7
    return f"opset {version} was read as opset 7: onnxruntime has no kernels for older operators"


def _check(raising: Raising, node: ir.Node) -> None:
    """Whether every attribute and input has a place in opset 7."""
    schema = onnx.defs.get_schema(node.op_type, 7, "")
    strange = sorted(name for name in node.attributes if name not in schema.attributes)
    if strange or len(node.inputs) > schema.max_input:
        what = f"its attribute {strange[0]} is gone" if strange else f"it has {len(node.inputs)} inputs"
        raise raising.refusal(node, what)
