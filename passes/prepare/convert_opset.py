"""Convert a model, with onnx's converter, to an opset that Q/DQ nodes and the runtime support."""

from __future__ import annotations

from dataclasses import dataclass

import onnx
import onnx_ir as ir

from edgeq.errors import UnsupportedOpset
from edgeq.graph.edit import replace_graph, vanished
from edgeq.graph.names import unique_names
from edgeq.graph.read import nodes

#: newest opset for which onnxruntime has QuantizeLinear and DequantizeLinear kernels (1.32: none
#: for 28)
NEWEST_WITH_QDQ = 27


@dataclass(frozen=True)
class ConvertOpset(ir.passes.InPlacePass):
    """Convert a model whose opset lies outside lowest..highest to the nearer end of that range.

    Where the converter cannot go down, an opset up to NEWEST_WITH_QDQ is kept. The IR version is
    set to one that old runtimes know.

    Before: a graph of opset 11, `y = Squeeze<axes=[2]>(x)`
    After:  the same of opset 13, `y = Squeeze(x, [2])`

    Raises UnsupportedOpset when the converter fails.
    """

    lowest: int = 13
    highest: int = 21

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        version = model.opset_imports.get("")
        target = self.lowest if version is None else min(max(version, self.lowest), self.highest)
        if version is None:
            model.opset_imports[""] = target
        elif version != target:
            target = _convert(model, version, target)
        return ir.passes.PassResult(model, modified=_set_ir_version(model) or version != target)


def _convert(model: ir.Model, version: int, target: int) -> int:
    where, fix = f"opset {version} -> {target}", "Export the model again with opset 17."
    candidates = [target] if version <= NEWEST_WITH_QDQ or target > version else [target, NEWEST_WITH_QDQ]
    failure: Exception | None = None
    for candidate in candidates:
        try:
            converted = onnx.version_converter.convert_version(ir.to_proto(model), candidate)
            onnx.checker.check_model(converted)
        except (RuntimeError, ValueError, onnx.checker.ValidationError) as error:
            failure = failure or error
            continue
        _replace(model, ir.from_proto(converted))
        return candidate
    if target < version <= NEWEST_WITH_QDQ:
        return version
    reason = (str(failure).strip().splitlines() or ["no reason given"])[0][:300]
    raise UnsupportedOpset(f"onnx cannot convert the model's opset: {reason}", where, fix) from failure


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
