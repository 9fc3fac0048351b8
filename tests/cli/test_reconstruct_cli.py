"""`edgeq finetune --reconstruct`: by itself and before training, repeated by its plan, and refused
where it makes no sense.
"""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch (extra [learn]) is not installed")

from tests.cli.test_finetune_cli import TRAINING, killed_in_epoch_3, room, tune  # noqa: F401
from tests.cli_room import run

pytestmark = pytest.mark.usefixtures("one_torch_thread")

#: where much is wrong at the start
COARSE = 'weight_bits = 3\neffort = "fast"\n'
ALONE = ("--reconstruct", "layer", "--steps", "30", "--no-prove")


def test_reconstruction_alone_says_what_it_did_and_its_plan_repeats_it(capsys: pytest.CaptureFixture[str], room: Path) -> None:  # noqa: F811
    (room / "coarse.toml").write_text(COARSE)
    coarse = ("--recipe", room / "coarse.toml")
    first = tune(capsys, room, *ALONE, *coarse, "-o", room / "a.onnx")
    assert first.code == 0
    assert "block 1 of " in first.err and "relative error" in first.err and "epoch" not in first.err
    assert tune(capsys, room, *ALONE, *coarse, "-q", "-o", room / "b.onnx").code == 0
    assert (room / "a.onnx").read_bytes() == (room / "b.onnx").read_bytes()
    assert ", fine-tuned" in (room / "a.plan.json").read_text()
    assert not list(room.glob("*.ckpt"))
    repeat = ("quantize", room / "net.onnx", "--plan", room / "a.plan.json", "-o", room / "again.onnx", "--no-prove", "-q")
    assert run(capsys, *repeat).code == 0
    assert (room / "again.onnx").read_bytes() == (room / "a.onnx").read_bytes()


@pytest.mark.slow
def test_a_killed_training_goes_on_behind_the_same_reconstruction(capsys: pytest.CaptureFixture[str], room: Path) -> None:  # noqa: F811
    (room / "coarse.toml").write_text(COARSE)
    kept, more = room / "run.ckpt", ("--reconstruct", "block", "--steps", "30", "--recipe", str(room / "coarse.toml"))
    words = (*more, *TRAINING)
    assert killed_in_epoch_3(room, kept, *more) == -9
    resumed = tune(capsys, room, *words, "--resume", kept, "-o", room / "resumed.onnx")
    assert resumed.code == 0 and "block 1 of " in resumed.err and "epoch 1:" not in resumed.err
    assert tune(capsys, room, *words, "-q", "-o", room / "whole.onnx").code == 0
    assert (room / "resumed.onnx").read_bytes() == (room / "whole.onnx").read_bytes()
    other = tune(capsys, room, *more[:2], *more[4:], "--steps", "29", *TRAINING, "--resume", kept, "-o", room / "other.onnx")
    assert other.code == 2 and "another run" in other.err


def test_what_makes_no_sense_is_refused_before_work(capsys: pytest.CaptureFixture[str], room: Path) -> None:  # noqa: F811
    out = ("-q", "-o", room / "out.onnx")
    refused = {
        ("--reconstruct", "net"): "'none', 'layer' or 'block'",
        (*ALONE, "--keep", room / "run.ckpt"): "no training whose state",
        (*ALONE, "--bits", "4", "--compute", "float"): "--reconstruct is for int8 compute",
    }
    for words, said in refused.items():
        ran = tune(capsys, room, *words, *out)
        assert ran.code == 2 and said in ran.err
    assert not list(room.glob("out*"))
