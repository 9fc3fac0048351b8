"""Free names: the first of a row, never given twice, and none searched again."""

from __future__ import annotations

from edgeq.graph.edit import FreeNames


def test_names_are_the_first_free_ones_in_every_run() -> None:
    names = FreeNames(["a", "a_2"])
    assert [names.free(name) for name in ("a", "a", "b", "a", "b", "a_2")] == ["a_1", "a_3", "b", "a_4", "b_1", "a_2_1"]


def test_a_name_of_another_row_that_is_taken_later_is_passed_over() -> None:
    names = FreeNames(["a"])
    assert [names.free(name) for name in ("a", "a_2", "a")] == ["a_1", "a_2", "a_3"]


class Counting(str):
    """A name that counts how often it is looked up."""

    looked_up = 0
    __slots__ = ()

    def __hash__(self) -> int:
        Counting.looked_up += 1
        return super().__hash__()

    __eq__ = str.__eq__


def test_many_equal_names_are_not_searched_from_the_start() -> None:
    names = FreeNames()
    Counting.looked_up = 0
    given = {names.free(Counting("n")) for _ in range(2000)}
    assert len(given) == 2000 and Counting.looked_up < 10 * 2000


def test_ten_thousand_equal_names_take_the_numbers_in_order() -> None:
    names = FreeNames()
    assert [names.free("n") for _ in range(10_000)][-1] == "n_9999"
