"""Candidates of 16 bits: parts of a plan whose activations get them on targets with kernels for it.

A node reads and makes values of one width (edgeq/planning/values/widths.py), so a value keeps what
16 bits give it only where those that read it have 16 as well: the parts are the nodes that make a
value together with those that read it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import onnx_ir as ir

from edgeq.calibration.observe import observe
from edgeq.calibration.tensor_stats import TensorStats
from edgeq.data.dataset import Dataset
from edgeq.graph.find_layer import layer_of
from edgeq.graph.read import constant, nodes
from edgeq.planning.activation_grids import activation_grids, border_grids, settled
from edgeq.planning.first_plan import values_to_observe
from edgeq.planning.placement import Placement
from edgeq.planning.same_scale import Groups
from edgeq.planning.values.seen import Seen
from edgeq.planning.values.widths import Read, Widths, group_made, widths_of
from edgeq.planning.weight_grids import least_scales
from edgeq.planning.weights import constant_grids, side_of
from edgeq.progress import Silent
from edgeq.refine.draft import Draft
from edgeq.schema.grids import GridPlan
from edgeq.schema.plan import Plan
from edgeq.schema.weights import IntegerWeight, WeightPlan, split_weight_key
from edgeq.search.candidates import placed_again


@dataclass(frozen=True, eq=False)
class Widening:
    """What a plan looks like where some of its nodes compute in 16 bits."""

    base: Draft
    #: of the values of the draft's model
    statistics: Mapping[str, TensorStats]

    @classmethod
    def of(cls, base: Draft, data: Dataset) -> Widening | None:
        """The ranges of a draft's values, measured anew; None where the target has no such kernels.

        The grids of 8 bits may be clipped, and do not tell what was seen.
        """
        if base.task.target.wide is None or base.task.recipe.activations:
            return None
        wanted = values_to_observe(base.model, base.task.target, base.task.recipe)
        return cls(base, observe(base.model, wanted, data, progress=Silent()))

    @cached_property
    def parts(self) -> tuple[tuple[str, ...], ...]:
        """Nodes that make a value and those that read it, as far as they can have 16 bits."""
        able = self._widths(frozenset(str(node.name) for node in nodes(self.base.model)))
        owner = {name: root for root, members in self._groups.members.items() for name in members}
        found: dict[str, set[str]] = {}
        for node in nodes(self.base.model):
            if str(node.name) in able.nodes and self._groups.nodes[str(node.name)].runs == "int8":  # the others pass on
                read = (owner.get(str(value.name)) for value in node.inputs if value is not None)
                for root in sorted(able.groups.intersection((*read, group_made(node, self._groups.nodes, owner)))):
                    found.setdefault(root, set()).add(str(node.name))
        return tuple(dict.fromkeys(tuple(sorted(part)) for part in found.values()))

    def plan(self, wide: Iterable[str]) -> Plan:
        """The draft's plan with 16 bits for what these nodes make, as far as they can.

        Weights keep their codes, unless a bias would then overflow; constant operands and borders
        are made anew.
        """
        plan, task, model = self.base.plan, self.base.task, self.base.model
        found = self._widths(frozenset(wide))
        placement, groups, seen = self._placement, self._groups, self._seen
        anew = activation_grids(model, placement, groups, seen, task.target, task.recipe, found)
        members = {name for root in found.groups for name in groups.members[root]}
        grids = {name: anew[name] if name in members else grid for name, grid in plan.grids.items()}
        grids = settled(model, groups, grids, seen, task.target, task.recipe)
        borders = border_grids(model, placement, groups, seen, task.target, task.recipe, found, grids)
        read = Read(grids, borders, found.nodes)
        constants = constant_grids(model, groups, read, seen.limits, task.target, task.recipe)
        weights: dict[str, WeightPlan] = dict(plan.weights)
        for key, new in constants.items():
            if split_weight_key(key)[0] in found.nodes and not self._keeps(key, weights.get(key), read):
                weights[key] = new
        places = {name: here.with_bits(16) if name in found.nodes else here for name, here in plan.nodes.items()}
        return plan.with_nodes(places).with_grids(grids).with_borders(borders).with_weights(weights)

    @cached_property
    def _seen(self) -> Seen:
        return Seen.of(self.base.model, self.statistics)

    @cached_property
    def _placed(self) -> tuple[Placement, Groups]:
        return placed_again(self.base, {})

    @property
    def _placement(self) -> Placement:
        return self._placed[0]

    @property
    def _groups(self) -> Groups:
        return self._placed[1]

    @cached_property
    def _named(self) -> Mapping[str, ir.Node]:
        return {str(node.name): node for node in nodes(self.base.model)}

    def _widths(self, wanted: frozenset[str]) -> Widths:
        return widths_of(self.base.model, self._groups, self.base.task.target, wanted)

    def _keeps(self, key: str, weight: WeightPlan | None, read: Read) -> bool:
        """Whether a layer's weight can stay as it is beside inputs of 16 bits."""
        name, index = split_weight_key(key)
        node = self._named[name]
        kernel, layer = self.base.task.target.kernel_of(node.op_type), layer_of(node)
        if not isinstance(weight, IntegerWeight) or kernel is None or index != kernel.weight or layer is None:
            return False
        rows = layer.weight_rows(np.asarray(constant(node.inputs[index]), np.float32))
        least = least_scales(rows, [side_of(node, kernel, read.by(name))], weight.axis is None)
        return bool(np.all(np.asarray(weight.scale) >= least.reshape(-1)[: len(weight.scale)]))


def wide_share(grids: Mapping[str, GridPlan]) -> float:
    """Share of the values with a grid that have one of 16 bits, 0..100."""
    return 100 * sum(grid.bits == 16 for grid in grids.values()) / max(len(grids), 1)
