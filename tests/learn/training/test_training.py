"""The training loop: resumes after kill -9 with the same bytes, keeps the best state, stops early,
refuses what is wrong.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch (extra [learn]) is not installed")

from edgeq.errors import BadCheckpoint, BadTraining  # noqa: E402
from edgeq.learn.training.checkpoint import Identity, load_checkpoint  # noqa: E402
from edgeq.learn.training.training import FINAL_RATE, Lesson, Schedule, run_identity, train  # noqa: E402
from edgeq.progress import Silent  # noqa: E402

THIS = Identity("model", "plan", "data", "settings")
SCHEDULE = Schedule(epochs=6, rate=0.05)
STEPS = 4


def lesson(*, kill_at: int | None = None, rising: bool = False) -> Lesson[torch.Tensor]:
    """A small net with dropout learns a sum of its inputs. kill_at: the epoch in whose middle the
    process kills itself.
    """
    torch.manual_seed(1)
    student = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.2), torch.nn.Linear(8, 1))
    scores = iter(range(100))

    def batches(epoch: int):
        generator = torch.Generator().manual_seed(epoch)
        for step in range(STEPS):
            if epoch == kill_at and step == STEPS // 2:
                os.kill(os.getpid(), signal.SIGKILL)
            yield torch.randn(16, 4, generator=generator)

    def loss(batch: torch.Tensor) -> torch.Tensor:
        return (student(batch) - batch.sum(1, keepdim=True)).square().mean()

    fresh = torch.randn(64, 4, generator=torch.Generator().manual_seed(99))
    return Lesson(student, batches, loss, lambda: float(next(scores)) if rising else float(loss(fresh)))


def weights(one: Lesson[torch.Tensor]) -> list[bytes]:
    return [value.numpy().tobytes() for value in one.student.state_dict().values()]


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    kept = tmp_path / "run.ckpt"
    code = (
        "from pathlib import Path; import sys; from test_training import *;"
        "train(lesson(kill_at=3), SCHEDULE, THIS, Silent(), keep=Path(sys.argv[1]))"
    )
    here = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    died = subprocess.run([sys.executable, "-c", code, str(kept)], env=here, check=False)
    assert died.returncode == -signal.SIGKILL
    assert load_checkpoint(kept, run_identity(THIS, SCHEDULE)).epoch == 3
    whole, resumed = lesson(), lesson()
    straight = train(whole, SCHEDULE, THIS, Silent())
    later = train(resumed, SCHEDULE, THIS, Silent(), resume=kept)
    assert weights(whole) == weights(resumed)
    assert (straight.losses, straight.best_score) == (later.losses, later.best_score)
    assert straight.best_score < straight.start_score


def test_a_run_that_broke_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    """The same in one process: the third epoch ends in its middle with an error."""
    kept, broken = tmp_path / "run.ckpt", lesson()

    def batches(epoch: int) -> Iterator[torch.Tensor]:
        for step, batch in enumerate(broken.batches(epoch)):
            if (epoch, step) == (3, STEPS // 2):
                raise OSError("the disk is gone")
            yield batch

    with pytest.raises(OSError, match="the disk is gone"):
        train(replace(broken, batches=batches), SCHEDULE, THIS, Silent(), keep=kept)
    whole, resumed = lesson(), lesson()
    straight = train(whole, SCHEDULE, THIS, Silent())
    later = train(resumed, SCHEDULE, THIS, Silent(), resume=kept)
    assert weights(whole) == weights(resumed)
    assert (straight.losses, straight.best_score) == (later.losses, later.best_score)


def test_a_run_with_another_schedule_does_not_go_on(tmp_path: Path) -> None:
    kept = tmp_path / "run.ckpt"
    train(lesson(), replace(SCHEDULE, epochs=1), THIS, Silent(), keep=kept)
    with pytest.raises(BadCheckpoint, match="another run: settings, epochs not the same"):
        train(lesson(), SCHEDULE, THIS, Silent(), resume=kept)


def test_a_run_repeats_and_another_seed_differs() -> None:
    runs = [lesson() for _ in range(3)]
    for one, seed in zip(runs, (0, 0, 1), strict=True):
        train(one, replace(SCHEDULE, seed=seed), THIS, Silent())
    assert weights(runs[0]) == weights(runs[1]) != weights(runs[2])


def test_training_that_makes_it_worse_leaves_the_start_and_stops_early() -> None:
    one = lesson(rising=True)
    start = weights(one)
    state = train(one, replace(SCHEDULE, patience=2), THIS, Silent())
    assert (state.epoch, state.best_epoch, state.best_score) == (2, 0, 0.0)
    assert weights(one) == start


def test_the_caller_gets_torch_back_as_it_was() -> None:
    one = lesson()
    before = torch.get_rng_state()
    train(one, replace(SCHEDULE, epochs=1), THIS, Silent())
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_loss_that_is_no_number_is_said() -> None:
    bad = replace(lesson(), loss=lambda batch: batch.sum() * float("nan"))
    with pytest.raises(BadTraining, match=r"loss of epoch 1 is nan[\s\S]*lower learning rate"):
        train(bad, SCHEDULE, THIS, Silent())


def test_the_rate_falls_along_a_cosine() -> None:
    assert SCHEDULE.rate_at(0) == SCHEDULE.rate
    assert SCHEDULE.rate_at(3) == pytest.approx(SCHEDULE.rate * (1 + FINAL_RATE) / 2)
    assert SCHEDULE.rate_at(6) == pytest.approx(SCHEDULE.rate * FINAL_RATE)


def test_checkpoints_of_other_runs_and_damaged_ones_are_refused(tmp_path: Path) -> None:
    kept = tmp_path / "run.ckpt"
    train(lesson(), replace(SCHEDULE, epochs=1), THIS, Silent(), keep=kept)
    with pytest.raises(BadCheckpoint, match="another run: model, plan, settings, epochs not the same"):
        load_checkpoint(kept, replace(THIS, model="other", plan="other"))
    kept.write_bytes(kept.read_bytes()[:500])
    with pytest.raises(BadCheckpoint, match="damaged"):
        load_checkpoint(kept, THIS)
    kept.write_bytes(b"not a checkpoint")
    with pytest.raises(BadCheckpoint, match="not a checkpoint"):
        load_checkpoint(kept, THIS)
    with pytest.raises(BadCheckpoint, match="cannot be read"):
        load_checkpoint(tmp_path / "none.ckpt", THIS)
    torch.save({"other": 1}, kept)
    with pytest.raises(BadCheckpoint, match="format"):
        load_checkpoint(kept, THIS)
