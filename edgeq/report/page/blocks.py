"""Fold a graph into blocks: runs of nodes between which few values pass."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from edgeq.report.page.ranks import Edge

#: nodes of a block, from and to; about WANTED is best to look at
LEAST, WANTED, MOST = 12, 36, 72
#: a cut between two nodes whose names differ in the last step alone costs as much as this many
#: values that pass it
WITHIN = 12.0
_MARKS = "/."


def blocks_of(names: Sequence[str], edges: Sequence[Edge]) -> list[range]:
    """Ranges of nodes, in order, that together are all nodes.

    names: of the nodes, in an order in which no edge leads back. A cut is taken where the fewest
    values pass, where the names begin otherwise, and where the block has a good size.
    """
    passing, changes = _passing(len(names), edges), _changes(names)
    if len(names) <= MOST:
        return [range(len(names))]
    # best[end]: the least cost of dividing the nodes before `end`, and where the last block begins
    best: list[tuple[float, int]] = [(0.0, 0)]
    for end in range(1, len(names) + 1):
        starts = range(max(0, end - MOST), max(0, end - LEAST) + 1)
        cut = passing[end] + changes[end] if end < len(names) else 0.0
        best.append(min((best[start][0] + _unsightly(end - start) + cut, start) for start in starts))
    cuts, end = [], len(names)
    while end:
        cuts.append(range(best[end][1], end))
        end = best[end][1]
    return cuts[::-1]


def _unsightly(size: int) -> float:
    """What a block of another size than the best costs, each of its nodes alike."""
    return size * ((size - WANTED) / WANTED) ** 2


def label_of(names: Sequence[str], op_types: Sequence[str]) -> str:
    """A name for a block: what the names of its nodes begin with, else its most frequent layers.

    >>> label_of(["/encoder/layer.0/a", "/encoder/layer.0/b/c"], ["Add", "Mul"])
    'encoder/layer.0'
    >>> label_of(["/layer.1/a", "/layer.2/b"], ["Add", "Mul"])
    'layer.1 to layer.2'
    >>> label_of(["/Mul", "/stem/conv"], ["Mul", "Conv"])
    'Mul, Conv'
    >>> label_of(["a", "b"], ["Conv", "Relu"])
    'Conv, Relu'
    """
    parts = [_parts(name) for name in names]
    shared = []
    for each in zip(*parts, strict=False):
        if len(set(each)) > 1:
            break
        shared.append(each[0])
    text = "".join(shared).strip(_MARKS)
    if text and len(names) > 1:
        return text
    first, last = (next((step.strip(_MARKS) for step in steps if step.strip(_MARKS)), "") for steps in (parts[0], parts[-1]))
    if first and last and first != last:
        return f"{first} to {last}"
    counts = {kind: op_types.count(kind) for kind in dict.fromkeys(op_types)}
    return ", ".join(sorted(counts, key=lambda kind: -counts[kind])[:2])


def _parts(name: str) -> list[str]:
    """The steps of a name like /encoder/layer.0/Add, each with the slash that ends it."""
    steps = name.split("/")
    return [f"{step}/" for step in steps[:-1]]


def _passing(count: int, edges: Sequence[Edge]) -> list[int]:
    """How many nodes before each place are read at it or after it."""
    last = list(range(count))
    for source, target in edges:
        last[source] = max(last[source], target)
    steps = [0] * (count + 2)
    for source, end in enumerate(last):
        if end > source:
            steps[source + 1] += 1
            steps[end + 1] -= 1
    passing, alive = [], 0
    for step in steps:
        alive += step
        passing.append(alive)
    return passing


def _changes(names: Sequence[str]) -> list[float]:
    """What a cut at each place costs by the names: 0 where they differ from the first step on."""
    found = [1.0]
    for first, second in pairwise(names):
        one, two = _parts(first), _parts(second)
        same = next((at for at, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two)))
        found.append(WITHIN * (same / max(len(one), len(two), 1)) ** 2)
    return [*found, 0.0]
