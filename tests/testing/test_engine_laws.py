"""The laws of engines hold for those of edgeq, and an engine that breaks one is found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from edgeq.engines.local import Local
from edgeq.engines.protocol import Job, R, S, T
from edgeq.progress import Progress
from edgeq.testing.engine_laws import check_engine


def test_the_engine_of_this_process_keeps_them() -> None:
    check_engine(Local())


class Twice(Local):
    """Counts the first shard twice."""

    def run(self, job: Job[T, S, R], shards: Sequence[S], progress: Progress) -> Iterator[tuple[int, R]]:
        yield from super().run(job, [*shards, shards[0]], progress)


class Backwards(Local):
    """Begins with the last shard, and so raises another error."""

    def run(self, job: Job[T, S, R], shards: Sequence[S], progress: Progress) -> Iterator[tuple[int, R]]:
        for place, found in super().run(job, list(reversed(shards)), progress):
            yield len(shards) - 1 - place, found


@pytest.mark.parametrize(("engine", "law"), [(Twice(), "law 1 of engines"), (Backwards(), "law 4 of engines")])
def test_an_engine_that_breaks_one_is_found(engine: Local, law: str) -> None:
    with pytest.raises(AssertionError, match=law):
        check_engine(engine)
