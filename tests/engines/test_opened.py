"""Engines as they are asked for: by a recipe, on the command line, without what they need."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import edgeq
from edgeq.engines.current import chosen_engine
from edgeq.engines.local import Local
from edgeq.engines.opened import opened
from edgeq.engines.wish import EngineWish
from edgeq.engines.workers import Workers
from edgeq.errors import BadOutput, BadRecipe, MissingExtra
from tests.graph_text import net


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtra, match=r"pip install 'edgeq\[ray\]'"), opened(EngineWish(name="ray")):
        pass


def test_what_was_opened_is_closed_and_an_engine_within_it_is_the_same() -> None:
    with opened(EngineWish(workers=3)) as outer:
        assert (outer.workers, outer.threads) == (1, 3)
        with opened(EngineWish(name="processes", workers=2)) as inner:
            assert inner is outer
    assert chosen_engine() is None


def test_processes_are_as_many_as_asked_for_and_start_with_the_first_shard(tmp_path: Path) -> None:
    with opened(EngineWish(name="processes", workers=5, shard=7), tmp_path) as engine:
        assert isinstance(engine, Workers)
        assert (engine.workers, engine.shard) == (5, 7)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["logs", "shards"]


def test_an_address_is_one_of_ray() -> None:
    with pytest.raises(BadRecipe, match="only the engine ray reaches"):
        edgeq.quantize(net("y = Exp(x)", inputs="float[N, 3] x"), recipe={"engine": {"address": "auto"}})


def test_an_engine_is_local_where_none_is_chosen() -> None:
    with opened(EngineWish()) as engine:
        assert isinstance(engine, Local)


@pytest.mark.parametrize("taken", ["logs", "shards"])
def test_a_file_in_place_of_a_folder_is_refused(taken: str, tmp_path: Path) -> None:
    (tmp_path / taken).write_text("")
    with pytest.raises(BadOutput, match="folder"), opened(EngineWish(name="processes", workers=2), tmp_path):
        pass
