"""Costs in target files: their text reads back, and what placement prefers by default."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edgeq.errors import BadTarget
from edgeq.schema.cost import FIGURES, Figures
from edgeq.schema.target import load_target, shipped_targets
from edgeq.schema.target_text import target_text


def test_speed_is_the_default() -> None:
    """In a process of its own: the tests here have another default (tests/conftest.py)."""
    code = "from edgeq.schema.recipe import Recipe; print(Recipe().placement.prefer, Recipe().placement.serve_batch)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split() == ["speed", "1"]


@pytest.mark.parametrize("name", shipped_targets())
def test_the_text_of_a_target_reads_as_the_target(name: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(target_text(load_target(name)), encoding="utf-8")
    assert load_target(str(path)) == load_target(name)


def test_figures_are_listed_in_their_order() -> None:
    assert Figures(**{name: float(place) for place, name in enumerate(FIGURES)}).numbers == tuple(map(float, range(len(FIGURES))))


def test_every_column_of_cpu_knows_the_same_kinds() -> None:
    costs = load_target("cpu").cost
    assert costs is not None
    kinds = {name: set(column.kinds) for name, column in costs.columns.items()}
    assert len({frozenset(found) for found in kinds.values()}) == 1
    assert {"avx2", "vnni_newer", "vnni_older"} <= kinds.keys()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[cost.columns]", "cost.columns"),
        ('[cost.columns.a]\nmachine = "m"\nsource = "s"\nthreads = 0\nkinds = {}', "threads"),
        ('[cost.columns.a]\nmachine = "m"\nsource = "s"\nkinds = { Conv = { integer = { call = -1.0 }, float = {} } }', "call"),
        ('[cost.columns.a]\nmachine = "m"\nsource = "s"\nkinds = { Conv = { integer = { speed = 1.0 }, float = {} } }', "speed"),
    ],
)
def test_damaged_costs_are_refused_by_name(text: str, key: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(target_text(load_target("cpu").with_cost(None)) + text, encoding="utf-8")
    with pytest.raises(BadTarget, match=key):
        load_target(str(path))
