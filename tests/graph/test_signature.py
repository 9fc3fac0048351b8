"""Input specifications: what two models of one interface can both be fed."""

from __future__ import annotations

from edgeq.graph.signature import InputSpec, narrower


def test_a_dimension_that_either_fixes_is_fixed() -> None:
    dynamic = (InputSpec("x", "float32", ("N", 3, "H")), InputSpec("y", "int64", None))
    frozen = (InputSpec("x", "float32", (1, 3, 8)), InputSpec("y", "int64", (4,)))
    assert narrower(dynamic, frozen) == (InputSpec("x", "float32", (1, 3, 8)), InputSpec("y", "int64", None))
    assert narrower(frozen, dynamic) == frozen


def test_inputs_that_the_other_lacks_or_has_in_another_rank_stay() -> None:
    mine = (InputSpec("x", "float32", ("N", 3)), InputSpec("z", "float32", ("N",)))
    assert narrower(mine, (InputSpec("x", "float32", (1, 3, 1)),)) == mine
