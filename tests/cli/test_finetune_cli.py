"""`edgeq finetune`: a killed run goes on to the same bytes, its plan repeats it, and what cannot
work is said before the work.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch", reason="torch (extra [learn]) is not installed")

from edgeq.learn.training.checkpoint import planned_epochs  # noqa: E402
from tests.cli_room import Ran, run  # noqa: E402
from tests.few_bits.test_tables import net  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_torch_thread")

EDGEQ = (sys.executable, "-c", "import sys; from edgeq.cli.main import main; sys.exit(main())")
TRAINING = ("--epochs", "30", "--lr", "0.003", "--no-prove")


@pytest.fixture
def room(tmp_path: Path) -> Path:
    onnx.save(net(), tmp_path / "net.onnx")
    np.savez(tmp_path / "calib.npz", x=np.random.default_rng(1).normal(size=(20, 4, 12, 12)).astype(np.float32))
    return tmp_path


def command(room: Path, *words: str | Path) -> list[str]:
    return ["finetune", str(room / "net.onnx"), "-d", str(room / "calib.npz"), *map(str, words)]


def tune(capsys: pytest.CaptureFixture[str], room: Path, *words: str | Path) -> Ran:
    return run(capsys, *command(room, *words))


def killed_in_epoch_3(room: Path, kept: Path, *more: str) -> int:
    """Run in a process of its own, which gets SIGKILL as soon as it says that epoch 2 is done.
    Returns its exit code.
    """
    words = [*EDGEQ, *command(room, *TRAINING, *more, "--keep", kept, "-o", room / "killed.onnx")]
    here = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(words, env=here, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "epoch 2:" in line:
                process.kill()
                break
        return process.wait()


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_bytes_and_its_plan_repeats_them(capsys: pytest.CaptureFixture[str], room: Path) -> None:
    kept = room / "run.ckpt"
    assert killed_in_epoch_3(room, kept) == -9
    assert not (room / "killed.onnx").exists()
    assert planned_epochs(kept) == 30
    resumed = tune(capsys, room, *TRAINING, "--resume", kept, "-o", room / "resumed.onnx")
    assert resumed.code == 0
    assert "epoch 3:" in resumed.err and "epoch 1:" not in resumed.err
    assert tune(capsys, room, *TRAINING, "-q", "-o", room / "whole.onnx").code == 0
    for kind in ("onnx", "plan.json"):
        assert (room / f"resumed.{kind}").read_bytes() == (room / f"whole.{kind}").read_bytes()
    assert ", fine-tuned" in (room / "whole.plan.json").read_text()
    assert kept.exists() and not (room / "whole.ckpt").exists()
    repeat = ("quantize", room / "net.onnx", "--plan", room / "whole.plan.json", "-o", room / "again.onnx", "--no-prove", "-q")
    assert run(capsys, *repeat).code == 0
    assert (room / "again.onnx").read_bytes() == (room / "whole.onnx").read_bytes()


def test_a_checkpoint_of_other_settings_is_refused(capsys: pytest.CaptureFixture[str], room: Path) -> None:
    kept = room / "run.ckpt"
    short = ("--epochs", "1", "--no-prove", "-q")
    assert tune(capsys, room, *short, "--keep", kept, "-o", room / "a.onnx").code == 0
    ran = tune(capsys, room, *short, "--lr", "0.5", "--resume", kept, "-o", room / "b.onnx")
    assert ran.code == 2 and "another run: plan, settings" in ran.err
    assert not (room / "b.onnx").exists()


def test_without_torch_the_extra_is_named(capsys: pytest.CaptureFixture[str], room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # as if it were not installed
    for bits in ((), ("--bits", "8,4")):
        ran = tune(capsys, room, "--epochs", "1", *bits, "-o", room / "out.onnx")
        assert ran.code == 2 and "needs torch" in ran.err and "edgeq[learn]" in ran.err
    assert not list(room.glob("out*"))


def test_what_cannot_be_trained_is_said(capsys: pytest.CaptureFixture[str], room: Path) -> None:
    out = ("--epochs", "1", "-q", "-o", room / "out.onnx")
    assert "4 samples are too few to train on" in tune(capsys, room, "--samples", "4", *out).err
    assert "no class labels to train with" in tune(capsys, room, "--labels", *out).err
    assert "give one of epochs and minutes" in tune(capsys, room, "--minutes", "1", *out).err
    assert not list(room.glob("out*"))
