"""`edgeq finetune --bits 8,4,2`: measures each width, trains only those that need it, writes a
model each, judges.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch", reason="torch (extra [learn]) is not installed")

from edgeq.few_bits.integer_widths import fine_tune_widths  # noqa: E402
from edgeq.few_bits.widths import WidthsTask  # noqa: E402
from edgeq.io.load import load_model, load_proto  # noqa: E402
from edgeq.learn.door import Checkpoint  # noqa: E402
from edgeq.numerics.arrays import AnyArray  # noqa: E402
from edgeq.progress import Silent  # noqa: E402
from edgeq.runtimes.ort import open_session  # noqa: E402
from edgeq.schema.finetune import FineTuneWish  # noqa: E402
from edgeq.schema.plan import load_plan  # noqa: E402
from edgeq.schema.recipe import Floors, Recipe  # noqa: E402
from edgeq.schema.target import load_target  # noqa: E402
from tests.cli_room import Ran, run  # noqa: E402
from tests.few_bits.test_tables import net  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def samples() -> dict[str, AnyArray]:
    """Images of different brightness: their scores differ too."""
    rng = np.random.default_rng(1)
    return {"x": (rng.normal(size=(24, 4, 1, 1)) * 1.5 + rng.normal(size=(24, 4, 12, 12))).astype(np.float32)}


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """net.onnx, plain.npz, and labelled.npz whose labels are what the float model says."""
    onnx.save(net(), tmp_path / "net.onnx")
    with open_session(load_proto(net()).model, threads=1) as session:
        scores = session.run(samples())[0]
    np.savez(tmp_path / "plain.npz", **samples())
    np.savez(tmp_path / "labelled.npz", **samples(), labels=scores.argmax(-1).astype(np.int64))
    return tmp_path


def tune(capsys: pytest.CaptureFixture[str], room: Path, data: str, *words: str) -> Ran:
    return run(capsys, "finetune", room / "net.onnx", "-d", room / data, "-q", *words)


@pytest.mark.slow
def test_only_the_widths_that_miss_are_trained_and_each_is_what_it_would_be_alone(capsys: pytest.CaptureFixture[str], room: Path) -> None:
    asked = ("--epochs", "12", "--min-sqnr", "28")
    ran = tune(capsys, room, "plain.npz", "--bits", "4,1", *asked, "-o", str(room / "out.onnx"), "--json")
    told = json.loads(ran.out)
    assert [row["bits"] for row in told["widths"]] == [4, 1]
    four, one = told["widths"]
    assert four["after"] is None and not four["before"]["missed"]
    assert one["before"]["sqnr_db"] < 28 and one["after"]["sqnr_db"] > one["before"]["sqnr_db"]
    assert one["size_bytes"] == (room / "out.w1.onnx").stat().st_size
    assert one["size_mib"] == one["size_bytes"] / 2**20 < four["size_mib"]
    assert ran.code == (3 if one["after"]["missed"] else 0)
    alone = tune(capsys, room, "plain.npz", "--bits", "1", *asked, "-o", str(room / "alone.onnx"))
    assert alone.code == ran.code
    for kind in ("onnx", "plan.json"):
        assert (room / f"out.w1.{kind}").read_bytes() == (room / f"alone.{kind}").read_bytes()
    assert not list(room.glob("*.ckpt"))


@pytest.mark.slow
def test_a_width_that_was_broken_off_goes_on_alone(capsys: pytest.CaptureFixture[str], room: Path) -> None:
    kept = room / "out.w1.ckpt"
    recipe = Recipe(finetune=FineTuneWish(epochs=3), floors=Floors(min_sqnr=40))
    task = WidthsTask(load_model(room / "net.onnx"), samples(), recipe, checkpoint=lambda _: Checkpoint(kept))
    (width,) = fine_tune_widths(task, (1,), load_target("cpu"), Silent())
    words = ("--bits", "1", "--epochs", "3", "--min-sqnr", "40", "--resume", str(kept), "-o", str(room / "out.w1.onnx"))
    assert tune(capsys, room, "plain.npz", *words).code == 3
    written = load_plan(room / "out.w1.plan.json")
    assert written.mark  # the plan that was written says of which file it is
    assert written.with_mark("").to_json() == width.made.plan.to_json()


def test_a_drop_that_stays_too_large_ends_with_3_and_the_file_says_so(capsys: pytest.CaptureFixture[str], room: Path) -> None:
    words = ("--bits", "8,1", "--max-drop", "0", "--epochs", "1", "--centroids", "refit", "--validation", str(room / "labelled.npz"))
    ran = run(capsys, "finetune", room / "net.onnx", "-d", room / "labelled.npz", *words, "-o", str(room / "out.onnx"))
    assert ran.code == 3
    assert "1 bits: accuracy drop" in ran.err and "8 bits" not in ran.err.partition("error:")[2]
    for piece in ("top1 before", "100.00 %", "not needed", "floor missed"):
        assert piece in ran.out
    marks = {bits: onnx.load(room / f"out.w{bits}.onnx").metadata_props for bits in (8, 1)}
    gates = {bits: next(prop.value for prop in props if prop.key == "edgeq.gate") for bits, props in marks.items()}
    assert gates == {8: "passed", 1: "failed"}


def test_without_labels_and_floors_every_width_is_trained() -> None:
    recipe = Recipe(finetune=FineTuneWish(epochs=1))
    (width,) = fine_tune_widths(WidthsTask(load_proto(net()), samples(), recipe), (8,), load_target("cpu"), Silent())
    assert width.after is not None and width.made is width.after


def test_what_does_not_go_together_is_refused(capsys: pytest.CaptureFixture[str], room: Path) -> None:
    out = ("-o", str(room / "out.onnx"))
    assert "has no labels" in tune(capsys, room, "plain.npz", "--bits", "8,4", "--max-drop", "0.5", *out).err
    assert "not widths" in tune(capsys, room, "plain.npz", "--bits", "8,7", *out).err
    assert "not widths" in tune(capsys, room, "plain.npz", "--bits", "4,4", *out).err
    assert "for one int8 model" in tune(capsys, room, "plain.npz", "--bits", "8,4", "--keep", str(room / "k.ckpt"), *out).err
    assert "there are none" in tune(capsys, room, "plain.npz", "--granularity", "channel", *out).err
    assert not list(room.glob("out*"))


def test_no_width_is_overwritten(capsys: pytest.CaptureFixture[str], room: Path) -> None:
    (room / "out.w4.plan.json").write_text("mine")
    ran = tune(capsys, room, "plain.npz", "--bits", "8,4", "-o", str(room / "out.onnx"))
    assert ran.code == 2 and "out.w4.plan.json" in ran.err
    assert (room / "out.w4.plan.json").read_text() == "mine"
    assert [path.name for path in room.glob("out*")] == ["out.w4.plan.json"]
