"""In which order a search tries candidates: repair until floors hold, look for the fastest, look
for the smallest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Set
from functools import partial
from itertools import accumulate

import onnx_ir as ir

from edgeq.graph.macs import macs
from edgeq.graph.read import nodes
from edgeq.schema.weights import weight_key
from edgeq.search.candidates import Base, Candidate, integer_layers
from edgeq.search.points import Goal, Point, ratio_of
from edgeq.search.trials import Trials

#: where a float head or tail of the network is tried first, as shares of its layers
SHARES = (0.25, 0.5, 0.75)
#: how many of the fastest are timed at length before one is chosen
FINALISTS = 3
#: the candidate that a search begins with
DEFAULT = "the default"
#: step between the numbers of layers that repair tries: each time a quarter more
GROWTH = 1.25


def repair(trials: Trials, goal: Goal) -> None:
    """Give float back to the parts whose quantization costs the output most, until the floors hold;
    then take back what was too much.

    The weights of float layers lie in the file as integers, unless the floors are out of reach even
    with all layers in float so.
    """
    stored = _holds(trials, goal, weights_only(trials.builder.base))
    order = by_damage(trials, stored)
    sets = [_of([name for part in order[:size] for name in part], stored=stored) for size in _growing(len(order))]
    holds = next((place for place, wanted in enumerate(sets) if _holds(trials, goal, wanted)), None)
    if holds is not None:
        _prune(trials, goal, sets[holds])


def by_damage(trials: Trials, stored: bool) -> tuple[tuple[str, ...], ...]:
    """Parts of the network, the one first that takes most noise off the output for its
    multiply-accumulates when it alone goes float.

    Noise: noise-to-signal ratio of the output. That of single parts adds up nearly, so the order
    holds for sets of them.
    """
    work = {str(node.name): macs(node) for node in nodes(trials.builder.base.model)}
    start = _noise(trials.rank(Candidate(DEFAULT)))
    gains: dict[tuple[str, ...], float] = {}
    for part in parts(trials.builder.base):
        gain = start - _noise(trials.rank(_of(part, stored=stored)))
        gains[part] = gain / sum(work[name] for name in part)
    return tuple(sorted(gains, key=lambda part: -gains[part]))


def parts(base: Base) -> tuple[tuple[str, ...], ...]:
    """What repair switches: each integer layer with those that read its output, the layers that
    read the model's input, and the last ones.

    A layer that goes float alone leaves the grids before and behind it; with its readers it takes
    the grid between them away, and most of the noise comes from the grids of activations.
    """
    layers = integer_layers(base)
    by_name = {str(node.name): node for node in nodes(base.model)}
    readers = {name: _next_layers(by_name[name], frozenset(layers)) for name in layers}
    read = {name for found in readers.values() for name in found}
    found = [tuple(sorted({name, *readers[name]})) for name in layers]
    found += [(name,) for name in layers if name not in read]
    return tuple(dict.fromkeys(found))


def _next_layers(node: ir.Node, layers: Set[str]) -> set[str]:
    """The first integer layers on every way from the node."""
    found: set[str] = set()
    seen, queue = {node}, [node]
    while queue:
        for use in [use for value in queue.pop().outputs for use in value.uses()]:
            if str(use.node.name) in layers:
                found.add(str(use.node.name))
            elif use.node not in seen:
                seen.add(use.node)
                queue.append(use.node)
    return found


def fastest(trials: Trials) -> None:
    """Time what may beat both the integer and the float model: a float head or tail, kinds of
    operators in float, all in float.

    Float nodes keep their weights as integers in the file. The cost of a kernel depends on what it
    is and on how large its tensors are, and in most networks both change along the depth; the steps
    between float and integers are few when the parts are contiguous.
    """
    layers = integer_layers(trials.builder.base)
    found: dict[str, Point] = {}

    def tried(candidate: Candidate) -> float:
        point = trials.judge(candidate)
        if point is None:
            return float("inf")
        found[candidate.key] = trials.time(point)
        return ratio_of(found[candidate.key])

    default = tried(Candidate(DEFAULT))
    tried(weights_only(trials.builder.base))
    kinds = [kind for kind in by_kind(trials.builder.base) if tried(kind) < default]
    if len(layers) < 2:
        return
    ends = (partial(_head, layers), partial(_tail, layers))
    part = _along(len(layers), ends, tried)
    for kind in kinds:
        tried(_of([*part.floats, *kind.floats], f"{part.name}; {kind.name}", stored=True))


def finals(trials: Trials, goal: Goal, points: Sequence[Point]) -> None:
    """Time the fastest that may be chosen once more, longer and with every thread setting: the
    first glance flatters its winner.
    """
    fit = sorted((p for p in points if goal.holds(p)), key=ratio_of)
    safe = [p for p in fit if p.integer_pct == 0][:1]
    for point in dict.fromkeys([*fit[:FINALISTS], *safe]):
        trials.time(point, sure=True)


def smallest(trials: Trials, goal: Goal) -> None:
    """All in float with integer weights drops the grids of activations and the integer biases; if
    that is too coarse, repair.
    """
    points = [trials.judge(Candidate(DEFAULT)), trials.judge(weights_only(trials.builder.base))]
    if not any(point is not None and goal.holds(point) for point in points):
        repair(trials, goal)


def weights_only(base: Base) -> Candidate:
    """Everything in float, with the weights of the base plan's layers stored as integers."""
    every = [name for name, node in base.plan.nodes.items() if node.runs != "float" and weight_key(name, 0) not in base.plan.weights]
    return _of(every, "integers for storage only", stored=True)


def by_kind(base: Base) -> Iterator[Candidate]:
    """A candidate for each kind of integer kernel that the plan uses: all nodes of the kind in
    float.
    """
    kinds: dict[str, list[str]] = {}
    for node in nodes(base.model):
        if base.plan.nodes[str(node.name)].runs in ("int8", "dynamic"):
            kinds.setdefault(_kind(node), []).append(str(node.name))
    if len(kinds) > 1:
        yield from (_of(names, f"{kind} in float", stored=True) for kind, names in sorted(kinds.items()))


def _kind(node: ir.Node) -> str:
    depthwise = node.op_type == "Conv" and node.attributes.get_int("group", 1) > 1
    return "grouped Conv" if depthwise else node.op_type


def _head(layers: Sequence[str], count: int) -> Candidate:
    return _of(layers[:count], f"the first {_counted(count)} in float", stored=True)


def _tail(layers: Sequence[str], count: int) -> Candidate:
    return _of(layers[len(layers) - count :], f"the last {_counted(count)} in float", stored=True)


def _counted(count: int) -> str:
    return "layer" if count == 1 else f"{count} layers"


def _along(total: int, ends: Sequence[Callable[[int], Candidate]], tried: Callable[[Candidate], float]) -> Candidate:
    """The fastest end of the network: each end at coarse shares, then the better one in ever
    smaller steps.
    """
    counts = sorted({max(1, min(total - 1, round(total * share))) for share in SHARES})
    times = {(end, count): tried(end(count)) for end in ends for count in counts}
    end, best = min(times, key=lambda place: times[place])
    step = total // 8
    while step:
        for count in (best - step, best + step):
            if 0 < count < total and (end, count) not in times:
                times[end, count] = tried(end(count))
        end, best = min(times, key=lambda place: times[place])
        step //= 2
    return end(best)


def _holds(trials: Trials, goal: Goal, candidate: Candidate) -> bool:
    point = trials.judge(candidate)
    return point is not None and goal.holds(point)


def _prune(trials: Trials, goal: Goal, found: Candidate) -> None:
    """Try every layer of a set that holds without it, the one with most work first."""
    work = {str(node.name): macs(node) for node in nodes(trials.builder.base.model)}
    for name in sorted(found.floats, key=lambda name: (-work[name], name)):
        less = _of([other for other in found.floats if other != name], stored=found.stored)
        if less.floats and _holds(trials, goal, less):
            found = less


def _of(names: Sequence[str], title: str = "", *, stored: bool) -> Candidate:
    floats = tuple(sorted(set(names)))
    return Candidate(title or f"{len(floats)} sensitive layer{'s' * (len(floats) > 1)} in float", floats, stored)


def _noise(sqnr_db: float | None) -> float:
    """Noise over signal; a candidate that cannot be built gains nothing."""
    return float("inf") if sqnr_db is None else 10 ** (-sqnr_db / 10)


def _growing(most: int) -> list[int]:
    """1, 2, 3, 4, 5, 7, 9, ... up to and including `most`."""
    sizes = accumulate(range(most), lambda size, _: max(size + 1, int(size * GROWTH)), initial=1)
    return sorted({min(size, most) for size in sizes}) if most else []
