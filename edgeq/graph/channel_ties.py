"""Bookkeeping of channels: a number for every channel of every value, which of them go together,
and which must stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from edgeq.numerics.arrays import I64


class Ties:
    """Grows while a graph is walked. ids: value name -> number of each of its channels [C]; axis:
    value name -> where they lie.
    """

    def __init__(self) -> None:
        self.ids: dict[str, I64] = {}
        self.axis: dict[str, int] = {}
        self._size = 0
        self._pairs: list[tuple[I64, I64]] = []
        self._stuck: list[I64] = []

    def of(self, value: ir.Value | None) -> I64 | None:
        return None if value is None else self.ids.get(str(value.name))

    def axis_of(self, value: ir.Value | None) -> int | None:
        return None if value is None else self.axis.get(str(value.name))

    def fresh(self, count: int) -> I64:
        """Numbers of channels that nothing is known of yet."""
        self._size += count
        return np.arange(self._size - count, self._size)

    def name(self, value: ir.Value, ids: I64, axis: int) -> bool:
        """Let the value's channels be these; True, for rules to return."""
        self.ids[str(value.name)], self.axis[str(value.name)] = ids, axis
        return True

    def tie(self, first: I64, second: I64) -> None:
        """Channels that can be scaled together only."""
        self._pairs.append((first, second))

    def hold(self, ids: I64) -> None:
        """Channels that must not be scaled."""
        self._stuck.append(ids)

    def classes(self) -> dict[str, I64]:
        """Value name -> class of each channel, numbered 0, 1, ... in order of their first channel;
        -1 for those that are held.
        """
        root = _roots(self._size, self._pairs)
        free = np.ones(self._size, bool)
        for ids in self._stuck:
            free[root[ids]] = False
        kept = np.unique(root[free[root]]) if self._size else root
        number = np.full(self._size, -1)
        number[kept] = np.arange(kept.size)
        return {name: number[root[ids]] for name, ids in self.ids.items()}


def _roots(size: int, ties: Sequence[tuple[I64, I64]]) -> I64:
    """The smallest id of each id's class."""
    root = np.arange(size)
    if not ties:
        return root
    first, second = np.concatenate([a for a, _ in ties]), np.concatenate([b for _, b in ties])
    while True:
        lowest = np.minimum(root[first], root[second])
        before = root.copy()
        np.minimum.at(root, root[first], lowest)
        np.minimum.at(root, root[second], lowest)
        root = root[root]
        if np.array_equal(root, before):
            return root
