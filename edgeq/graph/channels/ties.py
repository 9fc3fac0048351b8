"""Number the channels of all values; record which are tied and which must not be scaled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from edgeq.numerics.arrays import I64


class Ties:
    """What is known of channels so far; it grows while a graph is walked."""

    def __init__(self) -> None:
        #: value name -> the number of each of its channels [C]
        self.ids: dict[str, I64] = {}
        #: value name -> the axis of its channels
        self.axis: dict[str, int] = {}
        self._size = 0
        self._pairs: list[tuple[I64, I64]] = []
        self._stuck: list[I64] = []

    def of(self, value: ir.Value | None) -> I64 | None:
        """The numbers of a value's channels [C]; None: not known."""
        return None if value is None else self.ids.get(str(value.name))

    def axis_of(self, value: ir.Value | None) -> int | None:
        """The axis of a value's channels; None: not known."""
        return None if value is None else self.axis.get(str(value.name))

    def fresh(self, count: int) -> I64:
        """Numbers for channels that nothing is known of yet."""
        self._size += count
        return np.arange(self._size - count, self._size)

    def name(self, value: ir.Value, ids: I64, axis: int) -> bool:
        """Let these be the channels of the value. Returns True, for rules to return."""
        self.ids[str(value.name)], self.axis[str(value.name)] = ids, axis
        return True

    def tie(self, first: I64, second: I64) -> None:
        """Record that these channels can only be scaled together."""
        self._pairs.append((first, second))

    def hold(self, ids: I64) -> None:
        """Record that these channels must not be scaled."""
        self._stuck.append(ids)

    def classes(self) -> dict[str, I64]:
        """Value name -> class of each channel [C], -1 for channels that must not be scaled.

        Classes are numbered 0, 1, ... in the order of their first channels.
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
    """The smallest number in the class of each number."""
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
