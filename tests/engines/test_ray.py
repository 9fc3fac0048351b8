"""Ray on this machine: the laws of engines, the same statistics, actors that are killed."""

from __future__ import annotations

import importlib.util
import os
import signal
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from edgeq.engines.current import using
from edgeq.engines.workers import Workers
from edgeq.testing.engine_laws import check_engine
from tests.engines.test_same_bytes import plan, statistics

if TYPE_CHECKING:
    from edgeq.engines.ray import RayActors

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed (extra [ray])"),
]


@pytest.fixture(scope="module")
def pool() -> Iterator[RayActors]:
    from edgeq.engines.ray import RayActors

    found = RayActors(2)
    yield found
    found.close()


def test_actors_keep_to_the_laws(pool: RayActors) -> None:
    check_engine(Workers(pool))


def test_actors_give_the_same_statistics_and_plan(pool: RayActors) -> None:
    wanted = statistics(), plan()
    for size in (None, 5):
        with using(Workers(pool, shard=size)):
            assert (statistics(), plan()) == wanted


def test_an_actor_that_is_killed_changes_nothing(pool: RayActors) -> None:
    wanted, engine = statistics(), Workers(pool, shard=1)
    with using(engine):
        assert statistics() == wanted
        killed = threading.Thread(target=os.kill, args=(pool.pids()[0], signal.SIGKILL))
        killed.start()
        assert statistics() == wanted
        killed.join()
