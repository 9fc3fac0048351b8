"""Make names that are free, the same ones in every run, in time linear in their number."""

from __future__ import annotations

from collections.abc import Iterable


class FreeNames:
    """The names in use, and the last number that each wanted name was given.

    >>> names = FreeNames(["conv", "conv_1"])
    >>> names.free("conv"), names.free("conv"), names.free("relu")
    ('conv_2', 'conv_3', 'relu')
    """

    def __init__(self, used: Iterable[str] = ()) -> None:
        self._used = set(used)
        self._last: dict[str, int] = {}

    def free(self, wanted: str) -> str:
        """`wanted`, or the first of wanted_1, wanted_2, ... that is free; it is taken from now on.

        Names are never given back, so that the search goes on where the last one ended.
        """
        name, number = wanted, self._last.get(wanted, 0)
        while name in self._used:
            number += 1
            name = f"{wanted}_{number}"
        self._last[wanted] = number
        self._used.add(name)
        return name
