"""Convert a model to an opset that its target and Q/DQ nodes support, where its own is not one."""

from __future__ import annotations

from dataclasses import dataclass

import onnx
import onnx_ir as ir

from edgeq.errors import UnsupportedOpset
from edgeq.graph.edit import replace_graph, vanished
from edgeq.graph.forms.constants import own_constants
from edgeq.graph.names import unique_names
from edgeq.graph.read import nodes
from edgeq.graph.value_types import forget_maps, typed_proto
from edgeq.io.validate import first_line
from edgeq.passes.prepare.infer_shapes import InferShapes
from edgeq.passes.prepare.opsets.decompose import decompose_new
from edgeq.passes.prepare.opsets.mend_converted import flatten_before, keep_sampling
from edgeq.passes.prepare.opsets.same_meaning import differing_node

#: newest opset for which onnxruntime has QuantizeLinear and DequantizeLinear kernels (1.32: none
#: for 28)
NEWEST_WITH_QDQ = 27


@dataclass(frozen=True)
class ConvertOpset(ir.passes.InPlacePass):
    """Convert a model whose opset lies outside lowest..highest to the nearer end of that range.

    1. Downwards, where every node means the same in both opsets, the number alone changes.
    2. Else onnx's converter is asked, and what it gets wrong is mended.
    3. Where it cannot go down, an opset up to NEWEST_WITH_QDQ is kept; from a newer one, what is
       new is said in older operators.

    The IR version is set to one that old runtimes know.

    Before: a graph of opset 11, `y = Squeeze<axes=[2]>(x)`
    After:  the same of opset 13, `y = Squeeze(x, [2])`

    Raises UnsupportedOpset, which names the operator where it can.
    """

    lowest: int = 13
    highest: int = 21

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        version = model.opset_imports.get("")
        target = self.lowest if version is None else min(max(version, self.lowest), self.highest)
        if version is None:
            model.opset_imports[""] = target
        elif version < target:
            _raise(model, version, target)
        elif version > target:
            target = _lower(model, version, target)
        return ir.passes.PassResult(model, modified=_set_ir_version(model) or version != target)


def _raise(model: ir.Model, version: int, target: int) -> None:
    flatten_before(model, version)
    failure = _convert(model, target)
    if failure is not None:
        what = f"onnx's converter cannot raise the model from opset {version} to {target}: {failure}"
        raise UnsupportedOpset(what, f"opset {version} -> {target}", f"Export the model again with opset {max(target, 17)}.")
    keep_sampling(model, version)


def _lower(model: ir.Model, version: int, target: int) -> int:
    """Returns the opset that was reached."""
    InferShapes()(model)  # element types decide whether an operator means the same
    if _relabelled(model, target) or _convert(model, target) is None:
        return target
    if version <= NEWEST_WITH_QDQ:
        return version
    decompose_new(model, NEWEST_WITH_QDQ)
    for candidate in (target, NEWEST_WITH_QDQ):
        if _relabelled(model, candidate) or _convert(model, candidate) is None:
            return candidate
    node = differing_node(model, NEWEST_WITH_QDQ)
    what = f"onnxruntime has QuantizeLinear up to opset {NEWEST_WITH_QDQ}, and the model cannot be lowered to it from {version}"
    named = "" if node is None else f", node {node.name} ({node.op_type})"
    raise UnsupportedOpset(what, f"opset {version} -> {NEWEST_WITH_QDQ}{named}", f"Export the model again with opset {target}.")


def _relabelled(model: ir.Model, target: int) -> bool:
    if differing_node(model, target) is not None:
        return False
    model.opset_imports[""] = target
    return True


def _convert(model: ir.Model, target: int) -> str | None:
    """Let onnx's converter work; returns why it cannot, and the model is then as it was."""
    proto = typed_proto(model)
    failure = None
    for keep_shapes in (True, False):
        if not keep_shapes:
            proto.graph.ClearField("value_info")  # shapes that contradict each other, and that nobody else reads
        try:
            converted = onnx.version_converter.convert_version(proto, target)
            onnx.checker.check_model(converted)
            forget_maps(converted, f"opset {target}")
            new = ir.from_proto(converted)
            own_constants(new)
        except Exception as error:  # the converter raises whatever its adapters do
            failure = failure or first_line(error).rpartition("failed: ")[2]  # without the line in onnx's sources
            continue
        _replace(model, new)
        return None
    return failure


def _replace(model: ir.Model, new: ir.Model) -> None:
    """Take over the converted graph. A node that the converter replaced passes its name on.

    The new node with an output of the same name gets it.
    """
    makers = {value.name: node.name for node in nodes(model) for value in node.outputs if value.name}
    for node in nodes(new):
        if not node.name and node.outputs and node.outputs[0].name in makers:
            node.name = makers[node.outputs[0].name]
    replace_graph(model, new)
    unique_names(model)
    left = {node.name for node in nodes(model)}
    gone = [name for name in makers.values() if name and name not in left]
    vanished(model).update((name, "replaced by another operator in the new opset") for name in gone)


def _set_ir_version(model: ir.Model) -> bool:
    """Bring the IR version between the oldest that the opset allows and 10.

    Version 10 is the newest that goes with opset 21. Returns whether the version changed.
    """
    imports = [onnx.helper.make_opsetid(domain, version) for domain, version in model.opset_imports.items() if domain == ""]
    oldest = max(onnx.helper.find_min_ir_version_for(imports, ignore_unknown=True), 4)  # 4: initializers need not be inputs
    wanted = min(max(model.ir_version, oldest), max(oldest, 10))
    changed = wanted != model.ir_version
    model.ir_version = wanted
    return changed
