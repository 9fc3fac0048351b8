"""MinCut against every labelling of small graphs."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq.planning.cut.min_cut import FORBIDDEN, MinCut

NODES = ("a", "b", "c", "d", "e")
Edges = list[tuple[str, str, int]]

#: more than all other costs of a test together
TIE = 1000

costs = st.integers(0, 9) | st.just(FORBIDDEN)
edges = st.lists(st.tuples(st.sampled_from(("source", *NODES)), st.sampled_from((*NODES, "sink")), costs), max_size=16)


def price(edges: Edges, chosen: set[str]) -> int:
    """What it costs to have `chosen` on the source side."""
    inside = chosen | {"source"}
    return sum(cost for a, b, cost in edges if a in inside and b not in inside)


def cheapest(edges: Edges) -> tuple[int, set[str]]:
    """The least price, and the union of all labellings that have it: minimum cuts are closed under
    union.
    """
    every = [{n for n, inside in zip(NODES, bits, strict=True) if inside} for bits in product((False, True), repeat=len(NODES))]
    least = min(price(edges, chosen) for chosen in every)
    return least, set().union(*(chosen for chosen in every if price(edges, chosen) == least))


def solved(edges: Edges) -> set[str]:
    return {str(node) for node in filled(MinCut(), edges)}


def filled(cut: MinCut, edges: Edges) -> set[Hashable]:
    """The source side once the edges are added."""
    for node in NODES:
        cut.prefer_source(node, 0)  # so that every node is known to the cut
    for a, b, cost in edges:
        if a == "source" and b == "sink":
            continue  # paid whatever the labels are
        if a == "source":
            cut.prefer_source(b, cost)
        elif b == "sink":
            cut.prefer_sink(a, cost)
        else:
            cut.add(a, b, cost)
    return cut.source_side()


@settings(max_examples=300)
@given(edges)
def test_is_the_cheapest_of_all_labellings_and_of_those_the_largest(edges: Edges) -> None:
    least, largest = cheapest(edges)
    found = solved(edges)
    assert price(edges, found) == least
    assert found == largest


def test_preferences_are_costs_of_the_other_side() -> None:
    cut = MinCut()
    cut.prefer_source("a", 3)
    cut.prefer_sink("a", 2)
    cut.prefer_source("b", 2)
    cut.prefer_sink("b", 3)
    assert cut.source_side() == {"a"}


def test_a_forbidden_edge_ties_two_nodes_together() -> None:
    cut = MinCut()
    cut.prefer_source("a", 5)
    cut.prefer_sink("b", 4)
    cut.add("a", "b", FORBIDDEN)
    assert cut.source_side() == {"a", "b"}


@settings(max_examples=200)
@given(edges, st.lists(st.tuples(st.sampled_from(NODES), st.sampled_from(NODES)), max_size=2), st.sets(st.sampled_from(NODES), max_size=2))
def test_nodes_that_are_joined_or_settled_are_as_if_edges_said_so(edges: Edges, pairs: list[tuple[str, str]], settled: set[str]) -> None:
    """Edges between them cost nothing, and others lead to where they lead."""
    joined: dict[str, str] = {}
    for first, second in pairs:
        if first != second and not {first, second} & (joined.keys() | set(joined.values())) and second not in settled:
            joined[second] = first
    ties = [(a, b, TIE) for pair in joined.items() for a, b in (pair, pair[::-1])]
    cheap = [(a, b, min(cost, 9)) for a, b, cost in edges]
    assert found(cheap, joined, settled) == cheapest([*cheap, *ties, *((node, "sink", TIE) for node in settled)])[1]


def found(edges: Edges, joined: Mapping[str, str], settled: set[str]) -> set[Hashable]:
    """The source side where some nodes are others, and some are on the sink side."""
    cut = MinCut()
    for node in sorted(settled):
        cut.put_on_sink_side(node)
    for second, first in joined.items():
        cut.join(first, second)
    return filled(cut, edges)


def test_a_long_chain_needs_no_deep_recursion() -> None:
    cut = MinCut()
    for number in range(20_000):
        cut.add(number, number + 1, 2)
    cut.prefer_source(0, 3)
    cut.prefer_sink(20_000, 3)
    assert len(cut.source_side()) == 20_000


def searched(length: int, costs: Callable[[int], tuple[int, int]], between: int) -> int:
    """How many edges are looked at to cut a chain of nodes with these costs of the two labels."""
    cut = Counting()
    for node in range(length):
        for_source, for_sink = costs(node)
        cut.prefer_source(node, for_source)
        cut.prefer_sink(node, for_sink)
        cut.add(node, node + 1, between)
        cut.add(node + 1, node, between)
    cut.prefer_sink("end", FORBIDDEN)
    cut.add(0, "end", FORBIDDEN)
    cut.source_side()
    return cut.looked_at


class Counting(MinCut):
    """Counts how often a list of edges is gone through."""

    def __init__(self) -> None:
        super().__init__()
        self.looked_at = 0

    def _number(self, node: Hashable) -> int:
        number = super()._number(node)
        if not isinstance(self._edges[number], Watched):
            self._edges[number] = Watched(self)
        return number


class Watched(list[int]):
    def __init__(self, cut: Counting) -> None:
        super().__init__()
        self._cut = cut

    def __iter__(self) -> Iterator[int]:
        self._cut.looked_at += len(self)
        return super().__iter__()


@pytest.mark.parametrize("between", [1, 40, 3000])
@pytest.mark.parametrize("costs", [lambda _: (3, 1), lambda n: (9, 2) if n % 2 else (1, 4), lambda n: (n * 7 % 11, n * 5 % 13)])
def test_the_work_on_a_chain_grows_with_its_length(costs: Callable[[int], tuple[int, int]], between: int) -> None:
    """As the chains of a network do: costs are of the nodes, and the ends must be float."""
    assert searched(4000, costs, between) < 3 * searched(2000, costs, between)


def test_what_costs_nothing_holds_nothing_together_and_is_in_the_cut_all_the_same() -> None:
    cut = MinCut()
    cut.prefer_source("a", 5)
    cut.prefer_sink("b", 5)
    cut.add("a", "b", 0)
    cut.add("b", "c", 0)
    assert cut.source_side() == {"a", "c"}
