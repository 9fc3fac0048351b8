"""Open the engine that a recipe or the command line asks for, and close it at the end."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, Protocol, TypeVar, cast

from edgeq.engines.current import chosen_engine, using
from edgeq.engines.kept import KeptShards
from edgeq.engines.local import Local
from edgeq.engines.pool import Pool
from edgeq.engines.processes import Processes
from edgeq.engines.protocol import Engine
from edgeq.engines.wish import EngineWish
from edgeq.engines.workers import Workers
from edgeq.io.output_path import make_folder

P = ParamSpec("P")
R = TypeVar("R")

#: folders within a folder of work: finished shards, and what workers have printed
SHARDS, LOGS = "shards", "logs"


@contextmanager
def opened(wish: EngineWish, work: str | Path | None = None) -> Iterator[Engine]:
    """The engine, for all passes in the body; one that is open already stays.

    work: the folder that keeps finished shards; None: nothing is kept. Raises MissingExtra,
    EngineFailed, and BadOutput for a folder that cannot be made.
    """
    known = chosen_engine()
    if known is not None:
        yield known
        return
    engine = _made(wish, None if work is None else Path(work))
    try:
        with using(engine):
            yield engine
    finally:
        engine.close()


def _made(wish: EngineWish, work: Path | None) -> Engine:
    if wish.name == "local":
        return Local(wish.workers, wish.shard)
    kept = None if work is None else KeptShards(work / SHARDS)
    return Workers(_pool(wish, work), shard=wish.shard, kept=kept)


def _pool(wish: EngineWish, work: Path | None) -> Pool:
    if wish.name == "ray":
        from edgeq.engines.ray import RayActors

        return RayActors(wish.workers, wish.address)
    logs = None if work is None else work / LOGS
    if logs is not None:
        make_folder(logs)
    return Processes(wish.workers or os.cpu_count() or 1, logs)


class _Recipe(Protocol):
    @property
    def engine(self) -> EngineWish: ...


def on_engine(recipe_of: Callable[[Any], _Recipe]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a function with the keywords `recipe` and `work` run on the engine of its recipe.

    recipe_of: the recipe of that keyword, or of None.
    """

    def extend(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def run(*args: P.args, **words: P.kwargs) -> R:
            with opened(recipe_of(words.get("recipe")).engine, cast("str | Path | None", words.get("work"))):
                return function(*args, **words)

        return run

    return extend
