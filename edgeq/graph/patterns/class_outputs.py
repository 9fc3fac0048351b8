"""Tell which outputs of a model are scores of classes, so that their arg-max means something.

That two models have the same arg-max is a fact about any rows of numbers; that they give the same
class is one about classes alone. Boxes, embeddings, reconstructions and other regressions are rows
of numbers, too.
"""

from __future__ import annotations

import onnx_ir as ir

from edgeq.graph.read import constant, is_op, operator_of
from edgeq.numerics.output_fidelity import Classes


def class_outputs(model: ir.Model, *, labelled: bool = False) -> dict[str, Classes]:
    """Output name -> why it is scores of classes; other outputs are missing.

    labelled: whether the data have class labels, which are those of the first output. A Softmax
    settles it: its numbers share out one whole. The sums of a last layer may also be a regression:
    they count as scores where they are the only such output, no Softmax makes another one, and no
    input has their shape, as that of an autoencoder does.

    >>> head = '<ir_version: 8, opset_import: ["" : 17]> net (float[N, 3] x) => '
    >>> body = "{ h = MatMul(x, w) y = Softmax(h) b = MatMul(x, v) }"
    >>> weights = "<float[3, 2] w = {1, 2, 3, 4, 5, 6}, float[3, 2] v = {1, 2, 3, 4, 5, 6}> "
    >>> class_outputs(ir.from_onnx_text(head + "(float[N, 2] y, float[N, 2] b) " + weights + body))
    {'y': 'softmax'}
    """
    ends = {str(value.name): _end(value) for value in model.graph.outputs}
    found: dict[str, Classes] = {name: "softmax" for name, node in ends.items() if is_op(node, "Softmax", "LogSoftmax")}
    found.update({name: "labels" for name, node in ends.items() if node is not None and node.op_type == "ZipMap"})
    sums = [name for name, node in ends.items() if is_op(node, "Gemm", "MatMul", "Conv", "GlobalAveragePool")]
    if not found and len(sums) == 1 and not _is_reconstruction(model, sums[0]):
        found[sums[0]] = "logits"
    if labelled and model.graph.outputs:
        found[str(model.graph.outputs[0].name)] = "labels"
    return found


def _end(value: ir.Value) -> ir.Node | None:
    """The node that makes the rows of an output, before they are reshaped, converted or shifted."""
    node = value.producer()
    while node is not None:
        data = [source for source in node.inputs if source is not None and constant(source) is None]
        operator = operator_of(node)
        passes = operator.moves in ("views", "reorders") or operator.converts or is_op(node, "Cast") or operator.elementwise == "all"
        if not passes or len(data) != 1:
            return node
        node = data[0].producer()
    return None


def _is_reconstruction(model: ir.Model, name: str) -> bool:
    output = next(value for value in model.graph.outputs if value.name == name)
    return output.shape is not None and any(_sizes(value) == _sizes(output) for value in model.graph.inputs)


def _sizes(value: ir.Value) -> tuple[object, ...]:
    """The sizes of one sample; those that are only known at run time are alike."""
    return tuple(size if isinstance(size, int) else None for size in (value.shape or ())[1:])
