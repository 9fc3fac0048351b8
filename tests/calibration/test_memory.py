"""Memory that is given back: graphs that were dropped refer to themselves, and are found."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.calibration.memory import GROWN_BYTES, RARELY, _resident_bytes, collecting_where_grown, return_freed_memory
from tests.graph_text import net


@pytest.fixture
def no_collector() -> Iterator[None]:
    """The collector runs when it is asked, and then alone."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def dropped(size: int) -> weakref.ref[ir.Model]:
    """A model of this many bytes that nobody holds any more."""
    model = net("y = Add(x, w)", inputs=f"float[{size // 4}] x", constants={"w": np.ones(size // 4, np.float32)})
    return weakref.ref(model.graph)  # type: ignore[return-value]  # the graph goes with its model


@pytest.mark.skipif(_resident_bytes() == 0, reason="the system does not tell what is in memory")
@pytest.mark.usefixtures("no_collector")
def test_a_large_model_that_was_dropped_leaves_the_memory() -> None:
    return_freed_memory()
    one = dropped(2 * GROWN_BYTES)
    assert one() is not None
    return_freed_memory()
    assert one() is None


@pytest.mark.usefixtures("no_collector")
def test_the_collector_is_not_asked_for_little() -> None:
    return_freed_memory()
    one = dropped(1 << 12)
    return_freed_memory()
    assert one() is not None


@pytest.mark.skipif(_resident_bytes() == 0, reason="the system does not tell what is in memory")
def test_the_collector_is_as_it_was_after_a_run_that_failed() -> None:
    before, inside = gc.get_threshold(), []

    @collecting_where_grown()
    def run() -> None:
        inside.append(gc.get_threshold())
        raise ValueError

    for _ in range(2):
        with pytest.raises(ValueError):
            run()
    assert gc.get_threshold() == before
    assert inside == [(*before[:2], RARELY)] * 2


@pytest.mark.skipif(_resident_bytes() == 0, reason="the system does not tell what is in memory")
@pytest.mark.usefixtures("no_collector")
def test_what_was_there_before_a_run_is_not_looked_at_again() -> None:
    one = dropped(1 << 12)  # before
    with collecting_where_grown():
        other = dropped(1 << 12)
        gc.collect()
        assert one() is not None
        assert other() is None
    gc.collect()
    assert one() is None
