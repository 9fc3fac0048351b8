"""In which order a search tries candidates: repair until floors hold, look for the fastest, look for the smallest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate

import onnx_ir as ir

from edgeq.candidates import INTEGER, Base, Candidate, integer_layers
from edgeq.graph import nodes
from edgeq.macs import macs
from edgeq.search_points import Goal, Point, ratio_of
from edgeq.trials import Trials

#: where a float head or tail of the network is tried first, as shares of its layers
SHARES = (0.25, 0.5, 0.75)
#: how many of the fastest are timed at length before one is chosen
FINALISTS = 3
#: step between the numbers of layers that repair tries: each time a quarter more
GROWTH = 1.25


def repair(trials: Trials, goal: Goal, *, stored: bool = False) -> None:
    """Give float back to the layers whose quantization costs the output most, until the floors hold; then take back what was too much.

    Damage: the drop of the noise-to-signal ratio of the model's output when the layer alone goes float, per multiply-accumulate: noises of
    single layers add up nearly, so the order holds for sets of them.
    """
    order = by_damage(trials, stored)
    sizes = _growing(len(order))
    fails = 0
    for size in sizes:
        point = trials.judge(_of(order[:size], f"the {size} most sensitive layers in float", stored))
        if point is not None and goal.holds(point):
            break
        fails = size
    else:
        return
    while size - fails > 1:
        middle = (size + fails) // 2
        point = trials.judge(_of(order[:middle], f"the {middle} most sensitive layers in float", stored))
        size, fails = (middle, fails) if point is not None and goal.holds(point) else (size, middle)
    _prune(trials, goal, order[:size], stored)


def by_damage(trials: Trials, stored: bool) -> tuple[str, ...]:
    """The integer layers, the one first that gains most for its multiply-accumulates when it alone goes float."""
    work = {str(node.name): macs(node) for node in nodes(trials.base.model)}
    start = _noise(trials.rank(Candidate("the default")))
    gains: dict[str, float] = {}
    for name in integer_layers(trials.base):
        gains[name] = (start - _noise(trials.rank(_of([name], f"{name} in float", stored)))) / work[name]
    return tuple(sorted(gains, key=lambda name: -gains[name]))


def fastest(trials: Trials) -> None:
    """Time what may beat both the integer and the float model: a float head or tail, kinds of operators in float, all in float.

    Float nodes keep their weights as integers in the file. The cost of a kernel depends on what it is and on how large its tensors are, and
    in most networks both change along the depth; the steps between float and integers are few when the parts are contiguous.
    """
    layers = integer_layers(trials.base)
    found: dict[str, Point] = {}

    def tried(candidate: Candidate) -> float:
        point = trials.judge(candidate)
        if point is None:
            return float("inf")
        found[candidate.key] = trials.time(point)
        return ratio_of(found[candidate.key])

    default = tried(Candidate("the default"))
    tried(weights_only(trials.base))
    heads = _along(layers, lambda count: _of(layers[:count], f"the first {count} layers in float", True), tried)
    tails = _along(layers, lambda count: _of(layers[len(layers) - count :], f"the last {count} layers in float", True), tried)
    kinds = [kind for kind in by_kind(trials.base) if tried(kind) < default]
    part = min((heads, tails), key=tried) if layers else None
    for kind in kinds if part is not None else ():
        assert part is not None
        tried(_of([*part.floats, *kind.floats], f"{part.name}; {kind.name}", True))


def finals(trials: Trials, goal: Goal, points: Sequence[Point]) -> None:
    """Time the fastest that may be chosen once more, longer and with every thread setting: the first glance flatters its winner."""
    fit = sorted((p for p in points if goal.holds(p)), key=ratio_of)
    safe = [p for p in fit if p.integer_pct == 0][:1]
    for point in dict.fromkeys([*fit[:FINALISTS], *safe]):
        trials.time(point, sure=True)


def smallest(trials: Trials, goal: Goal) -> None:
    """All in float with integer weights drops the grids of activations and the integer biases; if that is too coarse, repair."""
    points = [trials.judge(Candidate("the default")), trials.judge(weights_only(trials.base))]
    if not any(point is not None and goal.holds(point) for point in points):
        repair(trials, goal)


def weights_only(base: Base) -> Candidate:
    """Everything in float, with the weights of the base plan's layers stored as integers."""
    every = [name for name, node in base.plan.nodes.items() if node.runs in INTEGER and f"{name}:0" not in base.plan.weights]
    return _of(every, "integers for storage only", True)


def by_kind(base: Base) -> Iterator[Candidate]:
    """A candidate for each kind of integer kernel that the plan uses: all nodes of the kind in float."""
    kinds: dict[str, list[str]] = {}
    for node in nodes(base.model):
        if base.plan.nodes[str(node.name)].runs == "int8":
            kinds.setdefault(_kind(node), []).append(str(node.name))
    if len(kinds) > 1:
        yield from (_of(names, f"{kind} in float", True) for kind, names in sorted(kinds.items()))


def _kind(node: ir.Node) -> str:
    depthwise = node.op_type == "Conv" and node.attributes.get_int("group", 1) > 1
    return "grouped Conv" if depthwise else node.op_type


def _along(layers: Sequence[str], make: Callable[[int], Candidate], tried: Callable[[Candidate], float]) -> Candidate:
    """The best number of layers, found from coarse shares by halving steps."""
    total = len(layers)
    counts = {max(1, min(total - 1, round(total * share))) for share in SHARES} if total > 1 else {total}
    times = {count: tried(make(count)) for count in sorted(counts)}
    best = min(times, key=lambda count: times[count])
    step = total // 8
    while step:
        for count in (best - step, best + step):
            if 0 < count < total and count not in times:
                times[count] = tried(make(count))
        best = min(times, key=lambda count: times[count])
        step //= 2
    return make(best)


def _prune(trials: Trials, goal: Goal, floats: Sequence[str], stored: bool) -> None:
    """Try every layer of a set that holds without it, the one with most work first."""
    work = {str(node.name): macs(node) for node in nodes(trials.base.model)}
    kept = list(floats)
    for name in sorted(floats, key=lambda name: -work[name]):
        less = [other for other in kept if other != name]
        if less:
            point = trials.judge(_of(less, f"{len(less)} sensitive layers in float", stored))
            kept = less if point is not None and goal.holds(point) else kept


def _of(names: Sequence[str], title: str, stored: bool) -> Candidate:
    return Candidate(title, tuple(sorted(set(names))), stored)


def _noise(sqnr_db: float | None) -> float:
    """Noise over signal; a candidate that cannot be built gains nothing."""
    return float("inf") if sqnr_db is None else 10 ** (-sqnr_db / 10)


def _growing(most: int) -> list[int]:
    """1, 2, 3, 4, 5, 7, 9, ... up to and including `most`."""
    sizes = accumulate(range(most), lambda size, _: max(size + 1, int(size * GROWTH)), initial=1)
    return sorted({min(size, most) for size in sizes}) if most else []
