"""The candidates of a search: a finished plan with more nodes in float, without new statistics."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import onnx_ir as ir

from edgeq.graph.find_layer import layer_of
from edgeq.graph.macs import macs
from edgeq.graph.read import nodes
from edgeq.passes.quantize.migrate_scales import migrated
from edgeq.planning.cut.placement_cut import Cause
from edgeq.planning.fed_back import fed_back
from edgeq.planning.placement import NodePlace, Placement, place
from edgeq.planning.recurrent import WEIGHTS, dynamic_layer
from edgeq.planning.same_scale import Groups, same_scale_groups
from edgeq.refine.draft import Draft
from edgeq.schema.grids import GridPlan
from edgeq.schema.plan import NodePlan, Plan
from edgeq.schema.weights import WeightPlan, split_weight_key, weight_key

#: name of the candidate that a search starts with
DEFAULT = "the default"
#: why a candidate's nodes stay float, for people
CAUSES = {"searched": "kept float by the search", "useless": "in integers it made an output useless"}
#: where nodes run that are in integers
INTEGER = ("int8", "integer", "absorbed")
#: where nodes run that multiply integers; a grid measured at every run stays one, whatever stays
#: float around it
MULTIPLIES = ("int8", "dynamic")


@dataclass(frozen=True)
class Candidate:
    """A change to a base plan."""

    #: for people
    name: str
    #: nodes that additionally stay float, sorted
    floats: tuple[str, ...] = ()
    #: whether the weights of the nodes that therefore run in float are stored as the base plan's
    #: integers, or as floats
    stored: bool = False
    #: float nodes whose weights the base plan stores as integers, and that get floats, sorted
    bare: tuple[str, ...] = ()
    #: nodes that make values of 16 bits, sorted; a candidate has these or nodes in float
    wide: tuple[str, ...] = ()
    #: what decided that they stay float
    because: Literal["searched", "useless"] = "searched"

    @property
    def cause(self) -> Cause:
        """Why the nodes stay float, for code and for people."""
        return Cause(self.because, CAUSES[self.because])

    @property
    def changes(self) -> bool:
        """Whether it is another plan than the base plan."""
        return bool(self.floats or self.wide or self.bare)

    @property
    def key(self) -> str:
        """sha256 of the change."""
        return hashlib.sha256(json.dumps([self.floats, self.stored, self.wide, *([self.bare] if self.bare else [])]).encode()).hexdigest()


def integer_layers(base: Draft) -> tuple[str, ...]:
    """Nodes that do multiply-accumulates in integers, in graph order: what a search can switch."""
    return tuple(str(n.name) for n in nodes(base.task.model) if base.plan.nodes[str(n.name)].runs in MULTIPLIES and macs(n) > 0)


def integer_share(model: ir.Model, plan: Plan) -> float:
    """Share of the model's multiply-accumulates that the plan runs in integers, 0..100."""
    return share_of(model, plan.nodes)


def share_of(model: ir.Model, places: Mapping[str, NodePlan] | Mapping[str, NodePlace]) -> float:
    """The same of a placement."""
    work = {str(node.name): macs(node) for node in nodes(model)}
    integer = sum(size for name, size in work.items() if name in places and places[name].runs in MULTIPLIES)
    return 100 * integer / sum(work.values()) if any(work.values()) else 0.0


def candidate_plan(base: Draft, candidate: Candidate) -> Plan | None:
    """The base plan with the candidate's changes; None if its grids do not permit them.

    The minimum cut that placed the base plan also decides what else turns float along with the
    named nodes.
    """
    kept = {key: grid for key, grid in base.plan.stored.items() if split_weight_key(key)[0] not in candidate.bare}
    if not candidate.floats:
        return base.plan.with_stored(kept) if candidate.bare else base.plan
    placement, groups = placed_again(base, dict.fromkeys(candidate.floats, candidate.cause))
    grids = _grids(base.plan, placement, groups)
    if grids is None:
        return None
    places = {name: _node(name, here, groups, candidate) for name, here in base.plan.nodes.items()}
    loose = {name for name, here in places.items() if here.runs == "float" and base.plan.nodes[name].runs != "float"}
    weights = {key: grid for key, grid in base.plan.weights.items() if split_weight_key(key)[0] not in loose}
    stored = _stored(base, loose) if candidate.stored else {}
    biases = {
        name: bias
        for name, bias in base.plan.biases.items()
        if name not in loose or any(split_weight_key(key)[0] == name for key in stored)
    }
    placed = base.plan.with_nodes(places).with_grids(grids)
    return placed.with_weights(weights).with_biases(biases).with_stored({**kept, **stored})


def placed_again(base: Draft, floats: Mapping[str, Cause]) -> tuple[Placement, Groups]:
    """Place nodes around those kept float.

    A value that would need a grid which the base plan lacks was never observed: it stays float.
    """
    model = migrated(base.task.model, base.plan.factors)
    unfit: dict[str, Cause] = {}
    lonely = Cause("unfit", "passes on a value that has no grid, because a neighbouring node stays float")
    while True:
        placement = place(model, base.task.target, base.task.recipe.keep_float, unfit, floats, wish=base.task.recipe.placement)
        groups = same_scale_groups(model, placement, base.task.target, fed_back(model, base.task.recipe.tie))
        missing = {name for names in groups.members.values() for name in names} - base.plan.grids.keys() - unfit.keys()
        if not missing:
            return placement, groups
        unfit.update(dict.fromkeys(missing, lonely))


def _grids(plan: Plan, placement: Placement, groups: Groups) -> dict[str, GridPlan] | None:
    found: dict[str, GridPlan] = {}
    for root, members in groups.members.items():
        if any(name not in plan.grids for name in members):
            return None
        first = plan.grids[members[0]]
        if any((plan.grids[name].scale, plan.grids[name].zero_point) != (first.scale, first.zero_point) for name in members):
            return None
        for name in members:
            group = root if len(members) > 1 else None
            found[name] = plan.grids[name].with_readers("all" if name in placement.integer else "integer", group)
    return found


def _node(name: str, here: NodePlan, groups: Groups, candidate: Candidate) -> NodePlan:
    """The node's place under the candidate.

    Nodes outside INTEGER and embedding tables keep their place.
    """
    if name in candidate.floats:
        reason = candidate.cause.reason
        return here.placed("float", candidate.because, f"{reason} ({candidate.name})" if candidate.because == "searched" else reason)
    found = groups.nodes.get(name)
    if found is None or here.runs not in INTEGER or here.because == "embedding":
        return here
    return here.placed(found.runs, found.because, found.reason, found.slower)


def _stored(base: Draft, loose: Iterable[str]) -> Mapping[str, WeightPlan]:
    """The base plan's weights, as integers, of the nodes in `loose`, which now run in float."""
    found: dict[str, WeightPlan] = {}
    wanted = frozenset(loose)
    for node in nodes(base.task.model):
        if node.name not in wanted:
            continue
        kernel = base.task.target.kernel_of(node.op_type)
        layer = kernel is not None and kernel.weight is not None and layer_of(node, kernel.weight) is not None
        indices = (kernel.weight,) if kernel is not None and layer else WEIGHTS if dynamic_layer(node, base.task.target) else ()
        keys = [weight_key(node.name, index) for index in indices if index is not None]
        found.update({key: base.plan.weights[key] for key in keys if key in base.plan.weights})
    return found


def of_nodes(names: Sequence[str], title: str = "", *, stored: bool) -> Candidate:
    """The candidate that keeps these nodes float. title: its name for people, if it has one."""
    floats = tuple(sorted(set(names)))
    return Candidate(title or f"{len(floats)} sensitive layer{'s' * (len(floats) > 1)} in float", floats, stored)


def of_16_bits(parts: Iterable[Iterable[str]]) -> Candidate:
    """The candidate in which the nodes of these parts make values of 16 bits."""
    names = tuple(sorted({name for part in parts for name in part}))
    return Candidate(f"16 bits for {len(names)} node{'s' * (len(names) != 1)}", wide=names)


def weights_only(base: Draft) -> Candidate:
    """Everything in float, with the weights of the base plan's layers stored as integers."""
    return of_nodes(_computing(base), "integers for storage only", stored=True)


def all_float(base: Draft) -> Candidate:
    """Everything in float, weights too, but for those that the base plan stores as integers."""
    return of_nodes(_computing(base), "everything in float", stored=False)


def _computing(base: Draft) -> list[str]:
    return [name for name, node in base.plan.nodes.items() if node.runs != "float" and weight_key(name, 0) not in base.plan.weights]
