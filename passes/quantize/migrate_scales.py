"""Move the magnitude of outlier channels from an activation into the weights that multiply it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names, add_constant, replace_constant
from edgeq.graph.read import constant, graphs, is_op, owner
from edgeq.numerics.arrays import F32


@dataclass(frozen=True)
class MigrateScales(ir.passes.InPlacePass):
    """Divide channel j of a value by s_j and multiply row j of the weights that read it by s_j.

    Before:  n = LayerNormalization(x, g, b)   y = MatMul(n, w)   z = Add(n, y)
    After:   n_migrated = Mul(n, 1/s)          y = MatMul(n_migrated, s w)

    The products stay the same. Where a LayerNormalization makes the value and only MatMuls read it,
    its own scale and bias absorb 1/s and no node is added. Only MatMuls with a constant matrix read
    the migrated value. Source: Xiao et al., SmoothQuant, arXiv:2211.10438; here s is 1 except for
    outlier channels (edgeq/refine/input_grids/choice.py).
    """

    #: value name -> s, one number per channel (the last axis)
    factors: Mapping[str, Sequence[float]]

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        modified = False
        for graph in graphs(model):
            for value in [*graph.inputs, *(output for node in graph for output in node.outputs)]:
                if str(value.name) in self.factors and not _done(value):
                    _migrate(graph, value, np.asarray(self.factors[str(value.name)], np.float32), names)
                    modified = True
        return ir.passes.PassResult(model, modified)


def migrated(model: ir.Model, factors: Mapping[str, Sequence[float]]) -> ir.Model:
    """A copy of the model with the scales moved."""
    copy = model.clone()
    MigrateScales(factors)(copy)
    return copy


def migrated_name(name: str) -> str:
    """The name of the divided value."""
    return f"{name}_migrated"


def migration_readers(value: ir.Value) -> list[ir.Node]:
    """The MatMuls with a constant matrix that read the value as their first operand."""
    found = dict.fromkeys(use.node for use in value.uses() if use.idx == 0 and is_op(use.node, "MatMul"))
    return [node for node in found if (weight := constant(node.inputs[1])) is not None and weight.ndim == 2]


def folds(value: ir.Value) -> bool:
    """Whether the node that makes the value can absorb the division into its own constants."""
    maker = value.producer()
    plain = is_op(maker, "LayerNormalization") and not value.is_graph_output() and len(value.uses()) == len(migration_readers(value))
    return plain and maker is not None and all(constant(scale) is not None for scale in maker.inputs[1:])


def _done(value: ir.Value) -> bool:
    return any(str(output.name) == migrated_name(str(value.name)) for use in value.uses() for output in use.node.outputs)


def _migrate(graph: ir.Graph, value: ir.Value, factors: F32, names: Names) -> None:
    readers, maker, name = migration_readers(value), value.producer(), migrated_name(str(value.name))
    if folds(value) and maker is not None:
        for index in range(1, len(maker.inputs)):
            replace_constant(maker, index, np.asarray(constant(maker.inputs[index]), np.float32) / factors, names)
        value.name, divided = names.value(name), value
    else:
        inverse = add_constant(graph, 1 / factors, names.value(f"{name}_factor"))
        divided = ir.Value(name=names.value(name), shape=value.shape, type=ir.TensorType(ir.DataType.FLOAT))
        node = ir.Node("", "Mul", [value, inverse], [], outputs=[divided], name=names.node(f"{value.name}_Mul"))
        graph.insert_before(graph[0], node) if maker is None else graph.insert_after(maker, node)
    scaled: dict[str, ir.Value] = {}
    for reader in readers:
        _scale_weight(reader, factors, scaled, names)
        reader.replace_input_with(0, divided)


def _scale_weight(reader: ir.Node, factors: F32, scaled: dict[str, ir.Value], names: Names) -> None:
    weight = reader.inputs[1]
    assert weight is not None
    key = str(weight.name)
    if key not in scaled:
        array = np.asarray(constant(weight), np.float32) * factors[:, None]
        scaled[key] = add_constant(owner(reader), array, names.value(f"{reader.name}_migrated"))
    reader.replace_input_with(1, scaled[key])
