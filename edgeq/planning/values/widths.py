"""Which nodes compute on activations of 16 bits, and on what grids the others read what they make.

A node makes and reads values of one width. Values that share a grid have one width: 16 where every
node that makes or moves them has a kernel for it, and the recipe asks for it. Where the widths of a
value and of a reader differ, the reader reads it on a second grid, its border.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import onnx_ir as ir

from edgeq.errors import BadRecipe
from edgeq.graph.code_grids import recorded_grid
from edgeq.graph.find_layer import layer_of
from edgeq.graph.read import constant, is_op, nodes
from edgeq.numerics.grid import LIMITS, QuantParams
from edgeq.planning.fit.kernel_forms import unmet_form
from edgeq.planning.placement import NodePlace
from edgeq.planning.same_scale import Groups
from edgeq.runtimes.table import DEFAULT
from edgeq.schema.grids import GridPlan, grid_plan
from edgeq.schema.patterns import kept_nodes
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import Target

#: places of nodes that read or make codes
_ON_CODES = ("int8", "integer", "absorbed")


@dataclass(frozen=True)
class Widths:
    """What has 16 bits in a model."""

    #: names of nodes
    nodes: frozenset[str] = frozenset()
    #: representatives of groups of values
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Read:
    """The grids of values as nodes read them."""

    #: by value name
    grids: Mapping[str, GridPlan]
    #: the grids on which nodes of the other width read values, by value name
    borders: Mapping[str, GridPlan]
    #: names of the nodes of 16 bits
    wide: frozenset[str]

    def bits(self, node: str) -> Literal[8, 16]:
        """The width of a node."""
        return 16 if node in self.wide else 8

    def by(self, node: str) -> Mapping[str, GridPlan]:
        """All grids as the node reads them."""
        own = {name: grid for name, grid in self.borders.items() if grid.bits == self.bits(node)}
        return {**self.grids, **own} if own else self.grids


def widths(model: ir.Model, groups: Groups, target: Target, recipe: Recipe) -> Widths:
    """What computes and is kept in 16 bits as the recipe asks.

    Raises BadRecipe for a target without such activations, or with those of another type, and for a
    pattern that matches no node.
    """
    return widths_of(model, groups, target, _wanted(model, target, recipe))


def widths_of(model: ir.Model, groups: Groups, target: Target, wanted: frozenset[str]) -> Widths:
    """What computes and is kept in 16 bits where these nodes shall make it.

    An input of the model has 16 bits where all that read it do; raw pixels have 8. The target has
    such activations.
    """
    if not wanted:
        return Widths()
    every = [node for node in nodes(model) if node.name in groups.nodes]
    owner = {name: root for root, members in groups.members.items() for name in members}
    made = {str(node.name): group_made(node, groups.nodes, owner) for node in every}
    able = {str(node.name) for node in every if _able(node, groups.nodes[str(node.name)], target)}
    narrow = {root for name, root in made.items() if root is not None and (name not in able or not _asked(name, groups, wanted))}
    narrow |= {owner[name] for name in _pixels(model) if name in owner}
    makers = {root for root in made.values() if root is not None}
    wide = (makers & groups.members.keys()) - narrow
    computing = {name for name, root in made.items() if root in wide}
    for value in model.graph.inputs:
        root = owner.get(str(value.name))
        readers = [node for node in every if value in node.inputs and groups.nodes[str(node.name)].runs in _ON_CODES]
        if root is not None and root not in makers | narrow and readers and all(str(node.name) in computing for node in readers):
            wide.add(root)
    return Widths(frozenset(computing), frozenset(wide))


def _wanted(model: ir.Model, target: Target, recipe: Recipe) -> frozenset[str]:
    """The nodes whose results the recipe asks to have 16 bits."""
    if recipe.wide_type is None:
        return frozenset()
    if target.wide is None or target.wide.dtype != recipe.wide_type:
        why = ": onnxruntime computes activations of 16 bits in float there" if target.runtime == DEFAULT else ""
        own = f", but of {target.wide.dtype}" if target.wide is not None else ""
        what = f"{target.name} has no kernels for activations of {recipe.wide_type}{own}{why}."
        raise BadRecipe(
            what, f"activations {recipe.wide_type}", "Use int16 for mcu_tflite and ethos_u, uint16 for qnn_htp; or leave it out."
        )
    found: set[str] = set()
    for word in recipe.activations:
        pattern = word.rpartition("=")[0]
        matching = kept_nodes(model, pattern, "activations") if pattern else tuple(str(node.name) for node in nodes(model))
        if not matching:
            fix = "Use a node name, a glob, /a regex/ or an operator type; `edgeq inspect` lists them."
            raise BadRecipe(f"The pattern {pattern!r} of activations matches no node.", f"activations {word}", fix)
        found.update(matching)
    return frozenset(found)


def _asked(name: str, groups: Groups, wanted: frozenset[str]) -> bool:
    """Whether a node may have 16 bits: it was asked for, or only passes on what others make."""
    return name in wanted or groups.nodes[name].runs != "int8"


def _able(node: ir.Node, place: NodePlace, target: Target) -> bool:
    assert target.wide is not None  # _wanted has looked
    if place.runs not in _ON_CODES:
        return False
    if place.runs == "absorbed":
        return True
    if is_op(node, "MatMul") and constant(node.inputs[1]) is not None and layer_of(node) is None:
        return False  # a stack of matrices: its codes have 8 bits, and both operands of such a product one width
    return node.op_type in target.wide.ops and unmet_form(node, target.wide.forms.get(node.op_type, ())) is None


def group_made(node: ir.Node, places: Mapping[str, NodePlace], owner: Mapping[str, str]) -> str | None:
    """The group of what a node makes, behind the Relus and Clips that its grid takes over."""
    for value in node.outputs:
        here: ir.Value | None = value
        while here is not None:
            if here.name in owner:
                return owner[str(here.name)]
            readers = [use.node for use in here.uses()]
            absorbed = [one for one in readers if one.name in places and places[str(one.name)].runs == "absorbed"]
            here = absorbed[0].outputs[0] if len(absorbed) == 1 and len(readers) == 1 and is_op(absorbed[0], "Relu", "Clip") else None
    return None


def _pixels(model: ir.Model) -> Iterable[str]:
    return (str(value.name) for value in model.graph.inputs if recorded_grid(model, str(value.name)) is not None)


def borders(
    model: ir.Model, groups: Groups, wide: Widths, grids: Mapping[str, GridPlan], target: Target, narrow: Callable[[str], GridPlan]
) -> dict[str, GridPlan]:
    """The second grid of every value that is read in the other width, by its name.

    narrow: the grid of 8 bits of a value of 16. From 8 to 16 bits no number changes.
    """
    found: dict[str, GridPlan] = {}
    owner = {name: root for root, members in groups.members.items() for name in members}
    for node in nodes(model) if wide.nodes else ():
        place = groups.nodes.get(str(node.name))
        if place is None or place.runs not in _ON_CODES:
            continue
        for value in node.inputs:
            name = "" if value is None else str(value.name)
            root = owner.get(name)
            if root is None or name not in grids or name in found or (root in wide.groups) == (str(node.name) in wide.nodes):
                continue
            found[name] = narrow(name) if root in wide.groups else _widened(grids[name], target)
    return found


def _widened(grid: GridPlan, target: Target) -> GridPlan:
    """The grid of 16 bits on which every code of a grid of 8 bits has a code."""
    assert target.wide is not None
    why = "every code of 8 bits has a code of 16"
    own = grid.params
    if target.wide.symmetric:  # codes minus zero point reach from -255 to 255
        params = QuantParams(target.wide.dtype, np.asarray(own.scale / np.float32(128)), np.asarray(0, np.int32))
    else:
        least = LIMITS[grid.dtype][0]
        zero = (int(own.zero_point) - least) * 256 + LIMITS[target.wide.dtype][0]
        params = QuantParams(target.wide.dtype, np.asarray(own.scale / np.float32(256)), np.asarray(zero, np.int32))
    return grid_plan(params, grid.rule, why, readers=grid.readers)
