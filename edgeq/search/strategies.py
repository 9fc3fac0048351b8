"""The order in which a search tries candidates, for the fastest or for the smallest model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import onnx_ir as ir

from edgeq.graph.read import nodes
from edgeq.refine.draft import Draft
from edgeq.search.candidates import DEFAULT, Candidate, all_float, integer_layers, of_nodes, weights_only
from edgeq.search.points import Goal, Point, ratio_of
from edgeq.search.repair import repair
from edgeq.search.trials import Trials

#: sizes of a float head or tail that are tried first, as shares of the network's layers
SHARES = (0.25, 0.5, 0.75)
#: how many of the fastest are timed at length before one is chosen
FINALISTS = 3


def fastest(trials: Trials) -> None:
    """Time what may be faster than both the integer and the float model.

    These are a float head or tail, and kinds of operators in float. Float nodes keep their weights
    as integers in the file. The cost of a kernel depends on its operator and on the size of its
    tensors, and in most networks both change with depth; contiguous parts need few conversions
    between float and integers.
    """
    layers = integer_layers(trials.builder.base)
    found: dict[str, Point] = {}

    def tried(candidate: Candidate) -> float:
        point = trials.judge(candidate)
        if point is None:
            return float("inf")
        found[candidate.key] = trials.time(point)
        return ratio_of(found[candidate.key])

    default, found_kinds = tried(Candidate(DEFAULT)), tuple(by_kind(trials.builder.base))
    trials.expect("judge", found_kinds)
    kinds = [kind for kind in found_kinds if tried(kind) < default]
    if len(layers) < 2:
        return
    ends = (partial(_head, layers), partial(_tail, layers))
    part = _along(len(layers), ends, tried, partial(trials.expect, "judge"))
    for kind in kinds:
        both = {*part.floats, *kind.floats}
        if not both.issuperset(layers):  # every layer in float is what as_fast_as_float has measured
            tried(of_nodes(sorted(both), f"{part.name}; {kind.name}", stored=True))


def as_fast_as_float(trials: Trials, goal: Goal) -> None:
    """Measure a candidate that runs the float model's own kernels, whatever the time is.

    Its weights are integers in the file, unless these are too coarse for the goal. With it there
    is always one to choose that is not slower than float.
    """
    for candidate in (weights_only(trials.builder.base), all_float(trials.builder.base)):
        point = trials.judge(candidate)
        if point is not None and goal.holds(trials.time(point)):
            return


def finals(trials: Trials, goal: Goal, points: Sequence[Point]) -> None:
    """Time the fastest points that may be chosen again, longer and with every thread setting.

    The first, short timing favours its winner.
    """
    fit = sorted((p for p in points if goal.holds(p)), key=ratio_of)
    safe = [p for p in fit if p.integer_pct == 0][:1]
    for point in dict.fromkeys([*fit[:FINALISTS], *safe]):
        trials.time(point, sure=True)


def smallest(trials: Trials, goal: Goal) -> None:
    """Try everything in float with integer weights; repair if that is too coarse.

    It removes the grids of activations and the integer biases from the file.
    """
    points = [trials.judge(Candidate(DEFAULT)), trials.judge(weights_only(trials.builder.base))]
    if not any(point is not None and goal.holds(point) for point in points):
        repair(trials, goal)


def by_kind(base: Draft) -> Iterator[Candidate]:
    """A candidate for each kind of integer kernel in the plan: all nodes of the kind in float."""
    kinds: dict[str, list[str]] = {}
    for node in nodes(base.task.model):
        if base.plan.nodes[str(node.name)].runs in ("int8", "dynamic"):
            kinds.setdefault(_kind(node), []).append(str(node.name))
    if len(kinds) > 1:
        yield from (of_nodes(names, f"{kind} in float", stored=True) for kind, names in sorted(kinds.items()))


def _kind(node: ir.Node) -> str:
    depthwise = node.op_type == "Conv" and node.attributes.get_int("group", 1) > 1
    return "grouped Conv" if depthwise else node.op_type


def _head(layers: Sequence[str], count: int) -> Candidate:
    return of_nodes(layers[:count], f"the first {_counted(count)} in float", stored=True)


def _tail(layers: Sequence[str], count: int) -> Candidate:
    return of_nodes(layers[len(layers) - count :], f"the last {_counted(count)} in float", stored=True)


def _counted(count: int) -> str:
    return "layer" if count == 1 else f"{count} layers"


def _along(
    total: int,
    ends: Sequence[Callable[[int], Candidate]],
    tried: Callable[[Candidate], float],
    expect: Callable[[Sequence[Candidate]], None],
) -> Candidate:
    """The fastest head or tail of the network.

    Each end is tried at coarse shares, then the better one in ever smaller steps. expect: is told
    of what is about to be tried.
    """
    counts = sorted({max(1, min(total - 1, round(total * share))) for share in SHARES})
    expect([end(count) for end in ends for count in counts])
    times = {(end, count): tried(end(count)) for end in ends for count in counts}
    end, best = min(times, key=lambda place: times[place])
    step = total // 8
    while step:
        near = [count for count in (best - step, best + step) if 0 < count < total and (end, count) not in times]
        expect([end(count) for count in near])
        for count in near:
            times[end, count] = tried(end(count))
        end, best = min(times, key=lambda place: times[place])
        step //= 2
    return end(best)
