"""Check that a plan fits a model: every node, value, weight and bias that it names is there."""

from __future__ import annotations

from typing import NoReturn

import numpy as np
import onnx_ir as ir

from edgeq.errors import BadPlan
from edgeq.graph.find_layer import layer_of, scalable_layer
from edgeq.graph.read import constant, nodes, only_consumer, values
from edgeq.passes.quantize.migrate_scales import migration_readers
from edgeq.schema.plan import Plan
from edgeq.schema.plan_parts.codes import shaped
from edgeq.schema.scaling import LARGEST_EXPONENT
from edgeq.schema.weights import WeightPlan, split_weight_key


def check_fits(model: ir.Model, plan: Plan) -> None:
    """Raise BadPlan for the first thing in the plan that does not fit the model.

    That is the case for a plan of another model, or one that was changed by hand.
    """
    known = {str(node.name): node for node in nodes(model)}
    for name, place in plan.nodes.items():
        if name not in known or known[name].op_type != place.op_type:
            _refuse(f"The plan places a {place.op_type} that the model does not have.", f"node {name}")
        if place.runs == "absorbed" and not _can_vanish(known[name]):
            _refuse("The plan absorbs a node whose input other nodes need.", f"node {name}")
    floats = {value.name for value in values(model) if value.dtype == ir.DataType.FLOAT}
    for name in plan.grids:
        if name not in floats:
            _refuse("The plan quantizes a value that the model does not have, or that is not float.", f"value {name}")
    for key, weight in [*plan.weights.items(), *plan.stored.items()]:
        name, index = split_weight_key(key)
        _check_weight(known.get(name), index, key, weight)
    for node in known.values():
        _check_equalization(node, plan)
    for name, bias in plan.biases.items():
        _check_bias(known.get(name), name, len(bias))


def _check_equalization(node: ir.Node, plan: Plan) -> None:
    layer = scalable_layer(node)
    if layer is None or node.inputs[0] is None:
        return
    for value, channels in ((node.inputs[0], layer.in_channels), (node.outputs[0], layer.out_channels)):
        steps = plan.equalization.get(str(value.name))
        if steps is not None and (len(steps) != channels or any(abs(k) > LARGEST_EXPONENT for k in steps)):
            _refuse(f"The plan scales {len(steps)} channels of a value that has {channels}, or by too much.", f"value {value.name}")


def check_factors(model: ir.Model, plan: Plan) -> None:
    """Raise BadPlan unless every value whose scale the plan moves has MatMuls that take it.

    model: before any scale is moved.
    """
    known = {str(value.name): value for value in values(model)}
    for name, factors in plan.factors.items():
        readers = migration_readers(known[name]) if name in known else []
        rows = {weight.shape[0] for node in readers if (weight := constant(node.inputs[1])) is not None}
        if rows != {len(factors)} or not all(0 < factor < np.inf for factor in factors):
            _refuse("The plan moves the scale of a value into weights that the model does not have.", f"value {name}")


def _can_vanish(node: ir.Node) -> bool:
    source = node.inputs[0]
    return node.op_type in ("Relu", "Clip") and source is not None and source.producer() is not None and only_consumer(source) is node


def _check_weight(node: ir.Node | None, index: int, key: str, grid: WeightPlan) -> None:
    inputs = () if node is None or index < 0 else node.inputs[index : index + 1]
    array = constant(inputs[0]) if inputs else None
    if array is None:
        _refuse("The plan has a grid for a constant that the model does not have.", f"weight {key}")
    if grid.axis is not None and (not 0 <= grid.axis < array.ndim or array.shape[grid.axis] != len(grid.scale)):
        _refuse(f"The plan has {len(grid.scale)} scales along axis {grid.axis} of a weight of shape {list(array.shape)}.", f"weight {key}")
    if grid.codes is not None:
        shaped(grid.codes, array.shape, f"weight {key}")


def _check_bias(node: ir.Node | None, name: str, length: int) -> None:
    layer = None if node is None else layer_of(node)
    present = None if node is None or len(node.inputs) < 3 else constant(node.inputs[2])
    if layer is None or present is None or length != layer.out_channels:
        _refuse(f"The plan has a bias of {length} numbers for a layer that takes no such bias.", f"node {name}")


def _refuse(what: str, where: str) -> NoReturn:
    raise BadPlan(what, where, "Use the plan of exactly this model, as edgeq wrote it.")
