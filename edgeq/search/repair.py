"""Give parts of a plan 16 bits, or return them to float, until the floors hold: most damaging parts
first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from itertools import accumulate

import onnx_ir as ir

from edgeq.graph.macs import macs
from edgeq.graph.read import nodes
from edgeq.refine.draft import Draft
from edgeq.search.candidates import DEFAULT, Candidate, integer_layers, of_16_bits, of_nodes, weights_only
from edgeq.search.points import Goal
from edgeq.search.trials import Trials

#: factor between the numbers of parts that repair tries
GROWTH = 1.25


def repair(trials: Trials, goal: Goal) -> None:
    """Return parts to float until the floors hold, then take back what is not needed.

    On targets with activations of 16 bits, parts get those first; if that is enough, none goes
    float.

    The parts whose quantization costs the output most come first. The weights of float layers are
    stored as integers, unless the floors do not hold even with all layers in float and stored like
    that.
    """
    if widen(trials, goal) or trials.builder.base.task.target.integer_only:
        return
    stored = _holds(trials, goal, weights_only(trials.builder.base))
    order = by_damage(trials, stored)
    sets = [of_nodes([name for part in order[:size] for name in part], stored=stored) for size in _growing(len(order))]
    found = _first(trials, goal, sets)
    if found is not None:
        work = {str(node.name): macs(node) for node in nodes(trials.builder.base.task.model)}
        heaviest_first = sorted(found.floats, key=lambda name: (-work[name], name))
        _prune(trials, goal, heaviest_first, lambda names: of_nodes(names, stored=stored))


def widen(trials: Trials, goal: Goal) -> bool:
    """Give parts activations of 16 bits until the floors hold, then take back what is not needed.

    Returns whether the floors hold. The parts whose grids of 8 bits cost the output most, for each
    node, come first.
    """
    wider = trials.builder.widening
    if wider is None or not wider.parts or not _holds(trials, goal, of_16_bits(wider.parts)):
        return False
    trials.expect("rank", [Candidate(DEFAULT), *(of_16_bits([part]) for part in wider.parts)])
    start = noise_of(trials.rank(Candidate(DEFAULT)))
    gains = {part: (start - noise_of(trials.rank(of_16_bits([part])))) / len(part) for part in wider.parts}
    order = sorted(gains, key=lambda part: -gains[part])
    found = _first(trials, goal, [of_16_bits(order[:size]) for size in _growing(len(order))])
    if found is None:
        return False
    _prune(trials, goal, found.wide, lambda names: of_16_bits([names]))
    return True


def by_damage(trials: Trials, stored: bool) -> tuple[tuple[str, ...], ...]:
    """Parts of the network, ordered by the output noise they cause per multiply-accumulate.

    Largest first. Noise is the noise-to-signal ratio of the output; a part causes what disappears
    when it alone goes float. The noise of single parts nearly adds up, so the order holds for sets
    of them.
    """
    work = {str(node.name): macs(node) for node in nodes(trials.builder.base.task.model)}
    found = parts(trials.builder.base)
    trials.expect("rank", [Candidate(DEFAULT), *(of_nodes(part, stored=stored) for part in found)])
    start = noise_of(trials.rank(Candidate(DEFAULT)))
    gains: dict[tuple[str, ...], float] = {}
    for part in found:
        gain = start - noise_of(trials.rank(of_nodes(part, stored=stored)))
        gains[part] = gain / sum(work[name] for name in part)
    return tuple(sorted(gains, key=lambda part: -gains[part]))


def parts(base: Draft) -> tuple[tuple[str, ...], ...]:
    """The units that repair switches between integers and float.

    They are each integer layer with the layers that read its output, and the layers that no other
    one precedes. A layer that goes float alone leaves the grids before and after it in place;
    together with its readers it removes the grid between them, and most of the noise comes from the
    grids of activations.
    """
    layers = integer_layers(base)
    by_name = {str(node.name): node for node in nodes(base.task.model)}
    readers = {name: _next_layers(by_name[name], frozenset(layers)) for name in layers}
    read = {name for found in readers.values() for name in found}
    found = [tuple(sorted({name, *readers[name]})) for name in layers]
    found += [(name,) for name in layers if name not in read]
    return tuple(dict.fromkeys(found))


def _next_layers(node: ir.Node, layers: Set[str]) -> set[str]:
    """The first integer layers on every path from the node."""
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


def _holds(trials: Trials, goal: Goal, candidate: Candidate) -> bool:
    point = trials.judge(candidate)
    return point is not None and goal.holds(point)


def _first(trials: Trials, goal: Goal, candidates: Sequence[Candidate]) -> Candidate | None:
    """The first candidate with which the floors hold. As many as there are workers go together."""
    together = trials.ahead.workers
    for place, wanted in enumerate(candidates):
        if place % together == 0:
            trials.expect("judge", candidates[place : place + together])
        if _holds(trials, goal, wanted):
            return wanted
    return None


def _prune(trials: Trials, goal: Goal, names: Sequence[str], of: Callable[[Sequence[str]], Candidate]) -> None:
    """Try to take back every name of a set with which the floors hold, in this order.

    of: the candidate of some names. Most are needed, so the next ones are measured as if none were
    taken back.
    """
    left, expected = list(names), 0
    for place, name in enumerate(names):
        if place >= expected and len(left) > 1:
            expected = place + trials.ahead.workers
            trials.expect("judge", [of(_without(left, other)) for other in names[place:expected]])
        less = _without(left, name)
        if less and _holds(trials, goal, of(less)):
            left, expected = less, place + 1


def _without(names: Sequence[str], name: str) -> list[str]:
    return [other for other in names if other != name]


def noise_of(sqnr_db: float | None) -> float:
    """Noise over signal, as energies; infinite for a candidate that cannot be built (None)."""
    return float("inf") if sqnr_db is None else 10 ** (-sqnr_db / 10)


def _growing(most: int) -> list[int]:
    """1, 2, 3, 4, 5, 7, 9, ... up to and including `most`."""
    sizes = accumulate(range(most), lambda size, _: max(size + 1, int(size * GROWTH)), initial=1)
    return sorted({min(size, most) for size in sizes}) if most else []
