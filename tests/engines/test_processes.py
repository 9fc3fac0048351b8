"""Processes: they keep to the laws of engines, and what dies, hangs or fails counts once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from edgeq.calibration.observe import observe
from edgeq.data.open import open_dataset
from edgeq.engines.current import using
from edgeq.engines.kept import KeptShards
from edgeq.engines.pool import Call
from edgeq.engines.processes import Processes
from edgeq.engines.protocol import Job, in_order
from edgeq.engines.workers import Workers
from edgeq.errors import EngineFailed
from edgeq.graph.signature import input_specs
from edgeq.progress import Silent
from edgeq.testing.engine_laws import Trouble, check_engine, doubled, squares, squares_by_rest
from tests.graph_text import net

NUMBERS = np.arange(20_000, dtype=np.int64)
SHARDS = [range(start, start + 2_000) for start in range(0, 20_000, 2_000)]
WANTED = [sum(place**2 for place in shard) for shard in SHARDS]


@pytest.fixture(scope="module")
def engine() -> Iterator[Workers]:
    found = Workers(Processes(2))
    yield found
    found.close()


class _Steps(Silent):
    done = 0

    def advance(self, count: int = 1) -> None:
        self.done += count


def job(setup: Trouble) -> Job[Trouble, range, int]:
    return Job(squares, setup, len)


def tries(folder: Path) -> Counter[int]:
    return Counter(int(path.name.split("-")[0]) for path in folder.iterdir())


def test_they_keep_to_the_laws(engine: Workers) -> None:
    check_engine(engine)


def test_the_shard_of_a_worker_that_died_is_done_again_and_counts_once(engine: Workers, tmp_path: Path) -> None:
    trouble = Trouble(NUMBERS, deadly=(0, 8_000, 18_000), folder=tmp_path)
    assert list(in_order(engine.run(job(trouble), SHARDS, Silent()))) == WANTED
    assert {start: count for start, count in tries(tmp_path).items() if count > 1} == {0: 2, 8_000: 2, 18_000: 2}


def test_a_shard_that_kills_every_worker_ends_the_run(tmp_path: Path) -> None:
    engine = Workers(Processes(1))
    folder = tmp_path / "a file and no folder"
    folder.touch()  # noting the try fails with an error of Python, which is told with its place
    with pytest.raises(RuntimeError, match=r"NotADirectoryError(.|\n)*engine_laws.py"):
        list(engine.run(job(Trouble(NUMBERS, folder=folder)), SHARDS[:1], Silent()))
    with pytest.raises(EngineFailed, match="5 workers died one after the other"):
        list(engine.run(job(Trouble(NUMBERS, deadly=(0,))), SHARDS[:1], Silent()))  # without a folder every try is the first
    engine.close()


def test_a_survey_too_large_to_travel_beside_is_recorded_and_comes_back(engine: Workers) -> None:
    """Of 3,000 samples; nothing has looked at them before."""
    model = net("y = Exp(x)", inputs="float[N, 1] x")
    data = open_dataset({"x": np.arange(3_000, dtype=np.float32)[:, None] / 3_000}, input_specs(model))
    assert not data.survey.seen.any()
    with using(engine):
        found = observe(model, ["y"], data)
    assert data.survey.seen.all()
    assert found == observe(model, ["y"], open_dataset({"x": np.arange(3_000, dtype=np.float32)[:, None] / 3_000}, input_specs(model)))


def test_what_is_kept_is_not_done_again(tmp_path: Path) -> None:
    """By another run of the same, after one that ended in the middle; half a file is not taken."""
    notes, work = tmp_path / "notes", tmp_path / "work"
    notes.mkdir()
    setup = job(Trouble(NUMBERS, folder=notes))
    engine = Workers(Processes(1), kept=KeptShards(work))
    begun = engine.run(setup, SHARDS, Silent())
    done = [next(begun)[0] for _ in range(4)]
    del begun
    (torn, *_) = sorted(work.iterdir())
    torn.write_bytes(torn.read_bytes()[:-1])
    assert list(in_order(engine.run(setup, SHARDS, Silent()))) == WANTED
    assert Counter(tries(notes)[SHARDS[place].start] for place in done) == {1: 3, 2: 1}
    other = Trouble(NUMBERS + 1, folder=notes)
    assert next(in_order(engine.run(job(other), SHARDS, Silent()))) != WANTED[0]
    engine.close()


def test_a_job_that_comes_again_is_sent_once(engine: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its results are those of its new shards, also after another job, which closes it."""
    published = list[object]()
    monkeypatch.setattr(
        engine.pool, "publish", lambda content, publish=engine.pool.publish: published.append(publish(content)) or published[-1]
    )
    again = Job(squares, Trouble(NUMBERS * 3), len, again=True)
    for shards, new in ((SHARDS[:4], 2), (SHARDS[4:], 0)):
        before = len(published)
        assert list(in_order(engine.run(again, shards, Silent()))) == [9 * WANTED[SHARDS.index(shard)] for shard in shards]
        assert len(published) - before == new
    assert list(in_order(engine.run(job(Trouble(NUMBERS)), SHARDS, Silent()))) == WANTED
    assert list(in_order(engine.run(again, SHARDS, Silent()))) == [9 * wanted for wanted in WANTED]


def test_parts_are_merged_on_their_way_and_what_came_of_owners_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten parts of each of three owners; then one owner alone, for two workers."""
    notes, work, kinds = tmp_path / "notes", tmp_path / "work", Counter[str]()
    notes.mkdir()
    engine = Workers(Processes(2), kept=KeptShards(work))
    monkeypatch.setattr(engine.pool, "give", lambda worker, call, give=engine.pool.give: (kinds.update([call.kind]), give(worker, call)))
    setup = Trouble(NUMBERS, deadly=(6_000,), folder=notes)
    wanted = {rest: 2 * sum(place**2 for place in range(rest, 20_000, 3)) for rest in range(3)}

    def owned(owners: range) -> dict[int, int]:
        return dict(engine.reduce(Job(squares_by_rest, setup, len), SHARDS, Job(doubled, setup), owners, Silent()))

    assert owned(range(3)) == wanted
    assert kinds["merge"] == 0
    begun = tries(notes).total()
    assert owned(range(3)) == wanted
    assert tries(notes).total() == begun
    sorted(work.iterdir())[0].unlink()
    assert owned(range(3)) == wanted
    assert kinds["merge"] >= 2
    engine.close()


def test_a_shard_whose_parts_are_lost_is_done_again_and_counts_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of two shards go before they are merged; then one goes that was merged."""
    notes, progress, gone = tmp_path / "notes", _Steps(), Counter[str]()
    notes.mkdir()
    engine = Workers(Processes(2))

    def give(worker: int, call: Call, give: Callable[[int, Call], None] = engine.pool.give) -> None:
        if call.kind in ("merge", "finish") and not gone[call.kind]:
            gone[call.kind] += 1
            for ticket in call.parts[:2] if call.kind == "merge" else call.parts[:1]:
                Path(str(ticket)).unlink()
        give(worker, call)

    monkeypatch.setattr(engine.pool, "give", give)
    setup = Trouble(NUMBERS, folder=notes)
    found = dict(engine.reduce(Job(squares_by_rest, setup, len), SHARDS, Job(doubled, setup), range(1), progress))
    assert found == {0: 2 * sum(place**2 for place in range(0, 20_000, 3))}
    assert gone == {"merge": 1, "finish": 1}
    assert sum(count > 1 for count in tries(notes).values()) >= 2  # more where a late one was handed out twice
    assert progress.done == 20_000
    engine.close()
