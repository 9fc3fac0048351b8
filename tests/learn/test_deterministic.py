"""The caller gets torch back as it was, also where several threads are inside at once."""

from __future__ import annotations

from threading import Barrier, Thread

import pytest

torch = pytest.importorskip("torch", reason="torch (extra [learn]) is not installed")

from edgeq.learn.deterministic import deterministic  # noqa: E402


def test_the_last_of_several_threads_restores_the_settings_of_the_caller() -> None:
    """Each for itself, the second would take the first one's settings for the caller's."""
    both, seen = Barrier(2), []

    def work() -> None:
        with deterministic():
            both.wait()
            seen.append(torch.are_deterministic_algorithms_enabled())

    threads = [Thread(target=work) for _ in range(2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert seen == [True, True]
    assert not torch.are_deterministic_algorithms_enabled()


def test_who_is_inside_already_may_enter_again() -> None:
    before = torch.get_rng_state()
    with deterministic():
        with deterministic():
            torch.rand(3)
        assert torch.are_deterministic_algorithms_enabled()
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.equal(torch.get_rng_state(), before)
