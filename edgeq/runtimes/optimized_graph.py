"""Read the graph that onnxruntime runs in place of a model, with names that lead back to it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import onnx
import onnx_ir as ir

from edgeq.errors import RuntimeRefused
from edgeq.graph.read import constant, nodes
from edgeq.io.temporaries import ScratchFolder
from edgeq.runtimes.ort import Optimize, open_session

#: names in the copy that runs: after a fusion, a layout change or an inlining the new name still
#: contains the mark. A node has its index in walk order, a value that of its node and its place
#: among the outputs
NODE_MARK, VALUE_MARK = re.compile(r"edgeq_n(\d+)(?!\d)"), re.compile(r"edgeq_v(\d+)_\d+(?!\d)")
OUTPUT_MARK = re.compile(r"edgeq_v(\d+)_(\d+)(?!\d)")
#: types of nodes that onnxruntime inserts to change the layout; they stand for no node of the model
LAYOUT = frozenset({"Transpose", "ReorderInput", "ReorderOutput", "Reshape", "Squeeze", "Unsqueeze"})


def optimized_graph(model: ir.Model, optimize: Optimize = "all", *, signed: bool = False) -> onnx.GraphProto:
    """What onnxruntime makes of the model, with marks for names.

    NODE_MARK and VALUE_MARK read them. optimize: with "all", float convolutions may have another
    layout and new names without marks. signed: as of open_session. Raises RuntimeRefused.
    """
    with ScratchFolder() as folder:
        path = folder / "optimized.onnx"
        try:
            open_session(marked(model), optimize=optimize, optimized_path=path, signed=signed).close()
        except RuntimeRefused as error:
            raise _unmarked(error, model) from error
        # weights stay where they are: only the graph is read. Plain protobuf, because onnxruntime
        # may save bodies that declare a constant twice, which onnx_ir refuses to read
        return onnx.load(str(path), load_external_data=False).graph


def marked(model: ir.Model) -> ir.Model:
    """A copy whose names lead back to the nodes of the model: NODE_MARK and VALUE_MARK."""
    copy = model.clone()
    for index, node in enumerate(nodes(copy)):
        node.name = f"edgeq_n{index}"
        for number, value in enumerate(node.outputs):
            if value.name:  # an optional output that is left out has no name
                value.name = f"edgeq_v{index}_{number}"
    return copy


def _unmarked(error: RuntimeRefused, model: ir.Model) -> RuntimeRefused:
    """The same error with the model's own names in place of the marks."""
    every = list(nodes(model))

    def own(text: str) -> str:
        text = NODE_MARK.sub(lambda mark: str(every[int(mark[1])].name), text)
        return OUTPUT_MARK.sub(lambda mark: str(every[int(mark[1])].outputs[int(mark[2])].name), text)

    what, where, fix = error.options
    return RuntimeRefused(own(what), own(where), fix)


def indices(mark: re.Pattern[str], *names: str) -> tuple[int, ...]:
    """The indices of the nodes whose marks the names contain."""
    return tuple(int(found) for name in names for found in mark.findall(name))


def bodies(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """The graph and all graphs in it, outer before inner."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from bodies(attribute.g)


def folded_nodes(model: ir.Model) -> set[ir.Node]:
    """Nodes that onnxruntime folds away.

    Their inputs are all constant, or they compute shapes from shapes that are known.
    """
    folded: set[ir.Node] = set()
    for node in nodes(model):
        shapes_only = bool(node.outputs) and all(value.dtype in (ir.DataType.INT64, ir.DataType.BOOL) for value in node.outputs)
        known = all(value is None or constant(value) is not None or value.producer() in folded for value in node.inputs)
        if known or shapes_only:
            folded.add(node)
    return folded
