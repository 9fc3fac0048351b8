"""JoinedNames: the same groups as joining one name after the other slowly."""

from __future__ import annotations

import random

import pytest

from edgeq.planning.values.joined import JoinedNames


@pytest.mark.parametrize("seed", range(5))
def test_groups_are_those_of_a_slow_and_obvious_search(seed: int) -> None:
    draw, names = random.Random(seed), [f"v{index}" for index in range(40)]
    joined, slow = JoinedNames(names), {name: {name} for name in names}
    for _ in range(25):
        a, b = draw.choice(names), draw.choice(names)
        joined.join(a, b)
        both = slow[a] | slow[b]
        slow.update(dict.fromkeys(both, both))
    for name in names:
        assert set(joined.with_all(name)) == slow[name]
        assert len(joined.with_all(name)) == len(slow[name])
        assert joined.root(name) == min(slow[name], key=names.index)


def test_a_name_outside_stands_for_itself_and_joins_nothing() -> None:
    joined = JoinedNames(["a"])
    assert (joined.root("other"), joined.with_all("other")) == ("other", [])
    with pytest.raises(KeyError):
        joined.join("a", "other")
