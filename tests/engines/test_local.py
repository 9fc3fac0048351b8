"""Threads: results in the order of the things, few things read ahead, an error ends it."""

from __future__ import annotations

from collections.abc import Iterator
from time import sleep

import pytest

from edgeq.engines.local import on_threads


@pytest.mark.parametrize("number", [1, 3])
def test_results_come_in_the_order_of_the_things(number: int) -> None:
    def work(thing: int) -> int:
        sleep(0.002 * (thing % 3 == 0))  # later things overtake it
        return thing**2

    assert list(on_threads(number, work, range(20))) == [thing**2 for thing in range(20)]


@pytest.mark.parametrize("number", [1, 2])
def test_an_error_ends_it_and_few_things_are_read_ahead(number: int) -> None:
    read = []

    def things() -> Iterator[int]:
        for thing in range(100):
            read.append(thing)
            yield thing

    def work(_: int) -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(on_threads(number, work, things()))
    assert len(read) <= 2 * number + 1
