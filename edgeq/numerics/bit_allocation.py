"""Allocate bits to layers: the least damage to the output within a number of bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, TypeVar

import numpy as np

from edgeq.numerics.arrays import F32
from edgeq.numerics.kmeans import cluster, cluster_edges, sort

#: about this many numbers are used to estimate the distortion of a layer
SKETCH = 1 << 14


#: what ways to store a weight are told apart by: bits of an index, or a number format
Kind = TypeVar("Kind")


@dataclass(frozen=True)
class WidthOption(Generic[Kind]):
    """One way to store a weight."""

    #: bits of an index, or a number format
    bits: Kind
    #: bytes in the file
    bytes: int
    #: what it does to the model's output, in any unit that all choices share
    damage: float


def allocate(choices: Mapping[str, Sequence[WidthOption[Kind]]], budget: float) -> dict[str, Kind]:
    """Choose bits, or a format, for each key, with the least total damage within `budget` bytes.

    If not even the cheapest choices fit, the cheapest of each key is taken.

    Greedy on the lower convex hull of each weight's choices, the largest gain per byte first. This
    is the optimum of the knapsack problem, except that the step that no longer fits leaves bytes
    over; later steps that still fit use these. Source: Shoham and Gersho, IEEE Trans. ASSP 36(9),
    1988.

    >>> near = [WidthOption(2, 10, 9.0), WidthOption(4, 20, 1.0)]
    >>> far = [WidthOption(2, 10, 2.0), WidthOption(4, 20, 1.0)]
    >>> allocate({"near": near, "far": far}, budget=30)
    {'far': 2, 'near': 4}
    """
    hulls = {key: _hull(options) for key, options in sorted(choices.items())}
    at = dict.fromkeys(hulls, 0)
    spent = sum(hull[0].bytes for hull in hulls.values())
    steps = [
        ((before.damage - after.damage) / (after.bytes - before.bytes), key, place)
        for key, hull in hulls.items()
        for place, (before, after) in enumerate(pairwise(hull))
    ]
    for _, key, place in sorted(steps, key=lambda step: (-step[0], step[1], step[2])):
        more = hulls[key][place + 1].bytes - hulls[key][place].bytes
        if at[key] == place and spent + more <= budget:
            at[key], spent = place + 1, spent + more
    return {key: hull[at[key]].bits for key, hull in hulls.items()}


def _hull(options: Sequence[WidthOption[Kind]]) -> list[WidthOption[Kind]]:
    """The choices on the lower convex hull of damage over bytes, cheapest first.

    Each step gains less per byte than the one before.
    """
    hull: list[WidthOption[Kind]] = []
    for one in sorted(options, key=lambda choice: (choice.bytes, choice.damage)):
        if hull and one.damage >= hull[-1].damage:
            continue
        while len(hull) > 1 and _slope(hull[-2], hull[-1]) <= _slope(hull[-2], one):
            hull.pop()
        hull.append(one)
    return hull


def _slope(before: WidthOption[Kind], after: WidthOption[Kind]) -> float:
    return (before.damage - after.damage) / (after.bytes - before.bytes)


def distortions(rows: F32, widths: Sequence[int]) -> dict[int, float]:
    """Index bits -> share of the energy of rows [G, C, K] that k-means leaves as an error.

    The rows are first scaled to the same root mean square. Estimated from about SKETCH numbers.
    """
    spread = np.sqrt(np.square(rows).mean(-1, keepdims=True))
    scaled = (rows / np.where(spread > 0, spread, 1)).reshape(-1)
    few = scaled[:: max(1, scaled.size // SKETCH)]
    data, energy = sort(few, None), float(np.square(few).sum())
    found = {}
    for bits in widths:
        edges = cluster_edges(data.values, cluster(few, None, 2**bits))
        found[bits] = float(data.cost(edges[:-1], edges[1:]).sum()) / energy if energy else 0.0
    return found
