"""Coarsen scales where a requantization would need a shift that the target does not have.

A target with power-of-two scales requantizes by shifts alone, and these have limits
(KernelFacts.shift and .align in edgeq/schema/target_facts.py). A coarser scale keeps the range, so
nothing is clipped; what it rounds off is less than the resolution of the sums.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import numpy as np
import onnx_ir as ir

from edgeq.graph.read import constant, nodes, only_consumer
from edgeq.numerics.grid import next_power_of_two
from edgeq.planning.fixed_grids import fixed_grids
from edgeq.planning.kernel_fit import data_inputs
from edgeq.planning.same_scale import Groups
from edgeq.planning.softmax_limits import SoftmaxLimits
from edgeq.planning.weight_grids import code_range, constant_grid
from edgeq.schema.grids import GridPlan
from edgeq.schema.target import Target
from edgeq.schema.target_facts import KernelFacts

#: a lifted scale can require others along the depth of the network; reaching this limit means that
#: two facts contradict each other
_ROUNDS = 1000


def within_shifts(
    model: ir.Model, groups: Groups, grids: Mapping[str, GridPlan], limits: SoftmaxLimits, target: Target, weight_bits: int
) -> dict[str, GridPlan]:
    """Lift the scales of whole groups as far as the shifts require. Returns all grids.

    Fixed grids stay unchanged; the legality check then names the node. limits: where masks may
    saturate.
    """
    found = dict(grids)
    limited = [node for node in nodes(model) if groups.nodes[str(node.name)].runs == "int8" and limits_of(node, target) is not None]
    fixed = fixed_grids(model, target)
    for _ in range(_ROUNDS):
        lifts = [lift for node in limited for lift in _lifts(node, found, limits, target, weight_bits)]
        lifted = [_lift(found, groups, fixed, name, least) for name, least in lifts]
        if not any(lifted):
            break
    for name in [name for name, grid in found.items() if grid.scale != grids[name].scale]:
        found[name] = found[name].with_reason(f"{found[name].reason}; raised to fit the shifts of the target")
    return found


def limits_of(node: ir.Node, target: Target) -> KernelFacts | None:
    """The node's kernel if it limits shifts, else None."""
    kernel = target.kernel_of(node.op_type)
    return kernel if kernel is not None and not (kernel.shift is None and kernel.align is None) else None


def weight_scale_limits(node: ir.Node, kernel: KernelFacts, grids: Mapping[str, GridPlan]) -> tuple[float, float]:
    """The least and the largest weight scale of a layer that its kernel's shift allows.

    Each is output scale / (input scale * 2^places).
    """
    first, output = _scale(node.inputs[0], grids), grids.get(output_name(node, grids))
    if kernel.shift is None or first is None or output is None:
        return 0.0, float("inf")
    least, most = kernel.shift
    return output.scale / first / 2.0**most, output.scale / first / 2.0**least


def constant_floor(node: ir.Node, index: int, kernel: KernelFacts, grids: Mapping[str, GridPlan]) -> float:
    """The smallest scale of a constant operand of an Add or Sub."""
    others = [_scale(value, grids) for place, value in enumerate(node.inputs) if place != index]
    return 0.0 if kernel.align is None else max((one for one in others if one is not None), default=0.0) / 2.0**kernel.align


def output_name(node: ir.Node, grids: Collection[str]) -> str:
    """The value whose grid the kernel writes: after a Relu or Clip that it includes."""
    value = node.outputs[0]
    while value.name not in grids:
        reader = only_consumer(value)
        if reader is None or not reader.outputs:
            break
        value = reader.outputs[0]
    return str(value.name)


def _lifts(
    node: ir.Node, grids: Mapping[str, GridPlan], limits: SoftmaxLimits, target: Target, weight_bits: int
) -> Iterator[tuple[str, float]]:
    """Values of the node, each with the smallest scale that its kernel allows."""
    kernel = limits_of(node, target)
    scales = [_operand_scale(node, index, kernel, grids, limits, target, weight_bits) for index in data_inputs(node, kernel)[:2]]
    name = output_name(node, grids)
    if kernel is None or None in scales or name not in grids:
        return
    known = [scale for scale in scales if scale is not None]
    if kernel.align is not None:
        for index in data_inputs(node, kernel)[:2]:
            value = node.inputs[index]
            if value is not None and value.name in grids:
                yield str(value.name), max(known) / 2.0**kernel.align
    if kernel.shift is not None:
        basis = max(known) if kernel.align is not None else float(np.prod(known))
        yield name, basis * 2.0 ** kernel.shift[0]


def _operand_scale(
    node: ir.Node,
    index: int,
    kernel: KernelFacts | None,
    grids: Mapping[str, GridPlan],
    limits: SoftmaxLimits,
    target: Target,
    weight_bits: int,
) -> float | None:
    """The scale of a value, or the largest scale that a constant's grid can get."""
    value = node.inputs[index]
    array = constant(value)
    if array is None:
        return _scale(value, grids)
    if kernel is not None and index == kernel.weight:
        span = np.abs(array).max(initial=0.0) / code_range(target.weights, weight_bits)[1]
        return float(next_power_of_two(np.asarray(span))) if span > 0 else None
    return float(constant_grid(limits.clipped(node, index, array), target.activations).scale)


def _scale(value: ir.Value | None, grids: Mapping[str, GridPlan]) -> float | None:
    grid = None if value is None else grids.get(str(value.name))
    return None if grid is None else grid.scale


def _lift(found: dict[str, GridPlan], groups: Groups, fixed: Collection[str], name: str, least: float) -> bool:
    grid = found[name]
    members = (name,) if grid.group is None else groups.members[grid.group]
    if grid.scale >= least or any(member in fixed for member in members):
        return False
    for member in members:
        found[member] = found[member].with_scale(least)
    return True
