"""Check a model that comes from outside before any other code reads it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
import onnx_ir as ir
from google.protobuf.message import Message  # type: ignore[import-untyped]  # its stubs are no dependency of ours

from edgeq.errors import BadModel, UnsupportedOpset
from edgeq.graph.operators import OPERATORS, RUNTIME_KERNELS
from edgeq.graph.read import ONNX_DOMAINS, constant, is_op, nodes, values
from edgeq.io.external_data import all_tensors, tensor_bytes
from edgeq.io.nodes.function_budget import check_functions
from edgeq.io.nodes.walk import bodies_of

#: a Loop of more iterations, of which no condition makes an earlier end, is taken for endless: an
#: empty body alone takes onnxruntime about a microsecond, so that it would run for half an hour
MAX_ITERATIONS = 1 << 31

#: tensors of more bytes are left out of what onnx.checker sees
_SMALL_BYTES = 1 << 10
#: operators that a float model does not have
_QUANTIZED = frozenset(
    {"MatMulNBits"}
    | {row.op_type for row in OPERATORS.values() if row.converts}
    | {kernel.op_type for kernel, _ in RUNTIME_KERNELS.values() if kernel.integer}
)


def check_form(proto: onnx.ModelProto, where: str, max_depth: int, quantized: bool = False) -> None:
    """Check what onnx.checker does not report, or reports too late.

    That is the opset, nesting, sparse weights, inputs and outputs of no type, functions that expand
    without bound, and a graph without nodes, which only the int8 form of a constant model may be.
    Raises BadModel.
    """
    newest = onnx.defs.onnx_opset_version()
    for entry in proto.opset_import:
        if entry.domain in ONNX_DOMAINS and not 1 <= entry.version <= newest:
            what = f"The model has opset {entry.version}; 1 to {newest} can be read"
            raise UnsupportedOpset(what, where, "Export it again with an opset in between, for example 17.")
    for depth, graph in _graphs(proto, max_depth, where):
        if graph.sparse_initializer:
            fix = "Store the weights as dense tensors (a pruned model can keep its zeros)."
            raise BadModel("Sparse initializers are not supported", f"{where}, graph {graph.name!r} at depth {depth}", fix)
    for value in (*proto.graph.input, *proto.graph.output):
        if value.type.HasField("tensor_type") and value.type.tensor_type.elem_type == onnx.TensorProto.UNDEFINED:
            raise BadModel("An input or output names no element type", f"{where}, {value.name!r}", "Export the model again.")
    if not proto.graph.node and not quantized:
        raise BadModel("The graph has no nodes: there is nothing to run or to quantize", where, "Check the export.")
    check_functions(proto, where)


def check_tensors(proto: onnx.ModelProto, where: str) -> None:
    """Check that every tensor holds exactly the data that its shape and type require.

    onnx.checker does not check this. Raises BadModel.
    """
    for tensor in all_tensors(proto):
        if tensor.data_type == onnx.TensorProto.STRING or tensor.data_location == onnx.TensorProto.EXTERNAL:
            continue  # the latter was compared with its file
        try:
            wanted = tensor_bytes(tensor)
            held = len(tensor.raw_data) if tensor.HasField("raw_data") else onnx.numpy_helper.to_array(tensor).size and wanted
        except (ValueError, TypeError) as error:
            what, fix = "A tensor's data does not fit its shape or type", "The file is damaged: export or download it again."
            raise BadModel(what, f"{where}, tensor {tensor.name!r}", fix) from error
        if held != wanted:
            what = f"A tensor of shape {list(tensor.dims)} holds {held} bytes where it needs {wanted}"
            raise BadModel(what, f"{where}, tensor {tensor.name!r}", "The file is damaged: export or download it again.")


def check_onnx(proto: onnx.ModelProto, where: str) -> None:
    """Run onnx.checker. Raises BadModel with the first line of its message."""
    try:
        onnx.checker.check_model(_without_data(proto))
    except (onnx.checker.ValidationError, ValueError) as error:
        kind = "has a cycle, or its nodes are out of order" if "topologically sorted" in str(error) else "is not valid ONNX"
        raise BadModel(f"The graph {kind}: {first_line(error)}", where, "Export the model again, or repair the named node.") from error


def _without_data(proto: onnx.ModelProto) -> onnx.ModelProto:
    """A copy for the checker, in which large initializers of the main graph hold no elements.

    The checker asks only whether their data fits their shapes, which check_tensors has done; with
    them, it would copy the weights twice, and it takes no 2 GiB.
    """
    light = onnx.ModelProto()
    _copy_fields(proto, light, "graph")
    _copy_fields(proto.graph, light.graph, "initializer")
    for tensor in proto.graph.initializer:
        own = light.graph.initializer.add()
        if tensor.data_type == onnx.TensorProto.STRING or tensor_bytes(tensor) <= _SMALL_BYTES:
            own.CopyFrom(tensor)
        else:
            own.name, own.data_type = tensor.name, tensor.data_type
            own.dims.append(0)
    for tensor in all_tensors(light):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:  # the checker would look for its file elsewhere
            tensor.ClearField("data_location")
            tensor.ClearField("external_data")
            tensor.dims[:] = [0]
    return light


def _copy_fields(source: Message, target: Message, but: str) -> None:
    """Copy all fields of a message but one."""
    for field, content in source.ListFields():
        if field.name == but:
            continue
        if isinstance(content, Message):
            getattr(target, field.name).CopyFrom(content)
        elif isinstance(content, str | bytes | int | float):
            setattr(target, field.name, content)
        else:
            getattr(target, field.name).extend(content)


def refuse_quantized(model: ir.Model, where: str) -> None:
    """Raise BadModel when the model holds integer arithmetic already."""
    for node in nodes(model):
        if node.op_type in _QUANTIZED or node.op_type.startswith("QLinear"):
            what = f"The model is already quantized: it holds {node.op_type}"
            raise BadModel(what, f"{where}, node {node.name}", "Give the float model that it was made from.")


def refuse_nan(model: ir.Model, where: str) -> None:
    """Raise BadModel when a weight holds NaN. Infinities pass: attention masks have them."""
    for value in values(model):
        array = constant(value)
        if array is not None and array.dtype.kind == "f" and np.isnan(array).any():
            what = f"A weight holds {int(np.isnan(array).sum())} NaN of {array.size} values"
            raise BadModel(what, f"{where}, initializer {value.name!r}", "Train or export the model again: its outputs would be NaN.")


def refuse_endless(model: ir.Model, where: str) -> None:
    """Raise BadModel for a Loop that never ends, or so late that nobody waits for it.

    onnxruntime has no limit of its own: the float model and everything made of it would run on.
    Exporters write the largest int64 for "until the condition is false": it is the condition that
    counts, and only one that nothing in the body changes is refused.
    """
    for node in nodes(model):
        if not is_op(node, "Loop") or not _always_goes_on(node):
            continue
        trips = constant(node.inputs[0])
        if node.inputs[0] is None or (trips is not None and trips.size == 1 and int(trips.item()) > MAX_ITERATIONS):
            limit = "no limit" if trips is None else f"a limit of {int(trips.item())} iterations"
            what = f"The Loop never ends: it has {limit}, and its condition is always true"
            raise BadModel(what, f"{where}, node {node.name}", "Let the body compute when to stop, or give the number of iterations.")


def _always_goes_on(node: ir.Node) -> bool:
    """Whether the condition of a Loop is true in each iteration, whatever its body computes."""
    body = node.attributes["body"].as_graph()
    going, given = _origin(body.outputs[0]), body.inputs[1]
    if going is not given and not _is_true(going):
        return False
    start = node.inputs[1] if len(node.inputs) > 1 else None
    return start is None or _is_true(_origin(start))


def _is_true(value: ir.Value) -> bool:
    array = constant(value)
    return array is not None and array.size == 1 and bool(array.item())


def _origin(value: ir.Value) -> ir.Value:
    """The value that a chain of Identity nodes copies."""
    while (maker := value.producer()) is not None and is_op(maker, "Identity") and maker.inputs[0] is not None:
        value = maker.inputs[0]
    return value


def first_line(error: BaseException) -> str:
    """The first line of an error's text, at most 300 characters of it."""
    text = str(error).strip()
    return (text.splitlines() or [type(error).__name__])[0][:300]


def _graphs(proto: onnx.ModelProto, max_depth: int, where: str) -> Iterator[tuple[int, onnx.GraphProto]]:
    """Yield every graph with its depth.

    It is not recursive, so that a hostile file cannot exhaust the stack.
    """
    yield 0, proto.graph
    stack = [(1, body) for node in proto.graph.node for body in bodies_of(node)]
    stack += [(1, body) for function in proto.functions for node in function.node for body in bodies_of(node)]
    while stack:
        depth, graph = stack.pop()
        if depth > max_depth:
            raise BadModel(f"If/Loop/Scan bodies nest deeper than {max_depth}", where, "Flatten the model, or raise max_depth.")
        yield depth, graph
        stack += [(depth + 1, body) for node in graph.node for body in bodies_of(node)]
