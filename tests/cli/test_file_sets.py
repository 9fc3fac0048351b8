"""Sets of files from the command line: marks, files of the user that are no outputs, and changes
during the run.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

import edgeq
from edgeq.errors import BadData, BadOutput, InputChanged
from edgeq.io.marks import mark_of, marked_for
from edgeq.io.run_files import run_files
from edgeq.io.stamps import sha256_of
from tests.cli_room import run
from tests.small_models import CONV_WEIGHTS, conv_net, text_model

Capsys = pytest.CaptureFixture[str]

#: integers throughout, for golden vectors
#: a target's file
TARGET = Path(__file__).resolve().parents[2] / "targets" / "cpu.toml"
FULLY = """<ir_version: 8, opset_import: ["": 13]>
net (float[1, 3, 8, 8] x) => (float[1, 10] y) {
  c = Conv<pads=[1, 1, 1, 1]>(x, w, b)
  f = Flatten(c)
  y = Gemm(f, k)
}"""


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """Two models, a folder of samples with a set.toml, and one file with the same samples."""
    arrays = np.random.default_rng(1).normal(size=(8, 3, 8, 8)).astype(np.float32)
    onnx.save(text_model(FULLY, CONV_WEIGHTS), tmp_path / "a.onnx")
    onnx.save(text_model(FULLY, CONV_WEIGHTS | {"b": np.ones(4, np.float32)}), tmp_path / "b.onnx")
    (tmp_path / "set").mkdir()
    for place, array in enumerate(arrays):
        np.save(tmp_path / "set" / f"{place}.npy", array)
    (tmp_path / "set" / "set.toml").write_text('schema_version = 1\nname = "mine"\nfiles = ["*.npy"]\n')
    np.savez(tmp_path / "calib.npz", x=arrays[:, None])
    return tmp_path


def quantize(capsys: Capsys, room: Path, model: str, *words: str | Path) -> tuple[int, str]:
    ran = run(capsys, "quantize", room / model, "-d", room / "calib.npz", "--no-prove", "-t", "npu_int8", *words)
    return ran.code, ran.err


def test_side_files_bear_the_mark_of_the_model_and_a_stale_one_is_named(room: Path, capsys: Capsys) -> None:
    out, golden = room / "o.onnx", room / "o.golden.npz"
    report = room / "report.json"
    assert quantize(capsys, room, "a.onnx", "-o", out, "--golden", "2", "--report", report)[0] == 0
    own = sha256_of(out).hex()
    assert {marked_for(path) for path in (golden, room / "o.plan.json", report)} == {own}
    with np.load(golden) as vectors:
        assert {name.split("_")[0] for name in vectors.files} == {"in", "out"}
    code, err = quantize(capsys, room, "b.onnx", "-o", out, "--force")
    assert code == 0
    assert f"{golden} belongs to another model than {out}" in err
    assert str(room / "o.plan.json") not in err
    assert f"{golden} belongs to another model than {out}" in run(capsys, "check", out, "-t", "npu_int8").err
    assert quantize(capsys, room, "b.onnx", "-o", out, "--force", "--golden", "2")[1].count("belongs to another") == 0
    assert quantize(capsys, room, "a.onnx", "-o", out, "--force", "--golden", "2", "--emit", "ort")[0] == 0
    (line,) = [one for one in quantize(capsys, room, "b.onnx", "-o", out, "--force")[1].splitlines() if "another model" in one]
    assert line.startswith(f"warning: {golden}, {room / 'o.ort'}")
    assert line.endswith("write them anew or remove them")


def test_c_source_of_two_models_does_not_compile(room: Path, capsys: Capsys) -> None:
    pytest.importorskip("tflite_micro", reason="tflite-micro (extra [backends]) is not installed")
    compiler = shutil.which("cc")
    texts = {}
    for name in ("a", "b"):
        words = ("-t", "mcu_tflite", "--emit", "c", "-o", room / "net.tflite", "--force")
        ran = run(capsys, "quantize", room / f"{name}.onnx", "-d", room / "calib.npz", "--no-prove", *words)
        assert ran.code == 0, ran.err
        texts[name] = (room / "net.c").read_text(), (room / "net.h").read_text()
        assert mark_of(sha256_of(room / "net.tflite").hex()) in texts[name][0]
    if compiler is None:
        pytest.skip("no C compiler here")
    for source, header, fine in (("b", "b", True), ("b", "a", False)):
        (room / "net.c").write_text(texts[source][0])
        (room / "net.h").write_text(texts[header][1])
        done = subprocess.run([compiler, "-std=c11", "-fsyntax-only", str(room / "net.c")], capture_output=True, text=True, check=False)
        assert (done.returncode == 0) == fine
        assert fine or "net.h belongs to another model than net.c" in done.stderr


@pytest.mark.parametrize("what", ["a sample", "set.toml", "a recipe", "a target", "external data"])
def test_no_file_of_the_input_is_replaced(what: str, room: Path, capsys: Capsys) -> None:
    (room / "recipe.toml").write_text("")
    if what == "external data":
        onnx.save(conv_net(), room / "a.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
        np.savez(room / "calib.npz", x=np.zeros((4, 3, 8, 8), np.float32))
    files = {
        "a sample": room / "set" / "3.npy",
        "set.toml": room / "set" / "set.toml",
        "a recipe": room / "recipe.toml",
        "a target": TARGET,
        "external data": room / "weights.bin",
    }
    read, out = files[what], room / "linked.npz"
    if what == "a target":
        read = room / "own.toml"
        read.write_bytes(files[what].read_bytes())
    before = read.read_bytes()
    out.hardlink_to(read)
    data = room / ("set" if what in ("a sample", "set.toml") else "calib.npz")
    target = ("-t", read) if what == "a target" else ()
    ran = run(capsys, "calibrate", room / "a.onnx", "-d", data, "-o", out, "--force", "--recipe", room / "recipe.toml", *target)
    assert ran.code == 2, ran.err
    assert "same file as an input" in ran.err
    assert "calibrate" not in ran.err  # before the work
    assert read.read_bytes() == before


def test_side_files_whose_names_are_too_long_are_refused_before_the_work(room: Path, capsys: Capsys) -> None:
    name = "x" * 246 + ".onnx"
    code, err = quantize(capsys, room, "a.onnx", "-o", room / name)
    assert (code, "more than the 255 bytes" in err) == (2, True)
    assert "prepare" not in err
    assert quantize(capsys, room, "a.onnx", "-o", room / name, "--no-plan")[0] == 0


class Meddling:
    """Changes a file when calibration is over: everything has been read by then."""

    def __init__(self, path: Path, content: bytes) -> None:
        self.path, self.content, self.tasks = path, content, ["begin"]

    def start(self, task: str, total: int | None) -> None:  # noqa: ARG002  (the signature of Progress)
        if self.tasks[-1].startswith("calibrate"):
            self.path.write_bytes(self.content)
        self.tasks.append(task)

    def advance(self, steps: int = 1) -> None: ...

    def note(self, text: str) -> None: ...


@pytest.mark.parametrize("name", ["a.onnx", "set/0.npy", "set/7.npy", "set/set.toml"])
def test_an_input_that_changes_during_the_run_is_noticed(name: str, room: Path) -> None:
    path = room / name
    content = path.read_bytes()
    changed = content[:-1] + bytes([content[-1] ^ 1])
    quiet = Meddling(path, content)
    edgeq.quantize(room / "a.onnx", room / "set", prove=False, progress=quiet)
    assert any(task.startswith("calibrate") for task in quiet.tasks[:-1])
    with pytest.raises(InputChanged, match="changed or replaced"):
        edgeq.quantize(room / "a.onnx", room / "set", prove=False, progress=Meddling(path, changed))


def test_the_result_remembers_its_inputs_for_python_callers(room: Path) -> None:
    made = edgeq.quantize(room / "a.onnx", room / "set", prove=False)
    assert {room / "a.onnx", room / "set" / "0.npy", room / "set" / "set.toml"} <= set(made.inputs)
    (room / "same.onnx").hardlink_to(room / "set" / "0.npy")
    with pytest.raises(BadOutput, match="same file as an input"):
        made.save(room / "same.onnx", force=True)


@pytest.mark.parametrize("what", ["a sample", "a folder of samples", "set.toml"])
def test_links_out_of_a_data_folder_need_a_word(what: str, room: Path, capsys: Capsys) -> None:
    outside, folder = room / "outside", room / "set"
    outside.mkdir()
    if what == "a sample":
        (folder / "0.npy").rename(outside / "0.npy")
        (folder / "0.npy").symlink_to(outside / "0.npy")
    elif what == "a folder of samples":
        for path in folder.glob("*.npy"):
            path.rename(outside / path.name)
        (folder / "set.toml").write_text('schema_version = 1\nname = "mine"\nfiles = ["in/*.npy"]\n')
        (folder / "in").symlink_to(outside)
    else:
        (folder / "set.toml").rename(outside / "set.toml")
        (folder / "set.toml").symlink_to(outside / "set.toml")
    words = ("calibrate", room / "a.onnx", "-d", folder, "-o", room / "s.npz")
    ran = run(capsys, *words)
    assert (ran.code, "A link leads out of the data folder" in ran.err, "--follow-links" in ran.err) == (2, True, True)
    assert run(capsys, *words, "--follow-links").code == 0
    with pytest.raises(BadData, match="leads out"):
        edgeq.calibrate(room / "a.onnx", folder)
    with run_files(follow_links=True):
        edgeq.calibrate(room / "a.onnx", folder)


def test_links_within_a_data_folder_are_fine(room: Path, capsys: Capsys) -> None:
    (room / "set" / "again.npy").symlink_to("0.npy")
    (room / "linked").symlink_to(room / "set")
    assert run(capsys, "calibrate", room / "a.onnx", "-d", room / "linked", "-o", room / "s.npz").code == 0


OPENED = """
import os, sys
from pathlib import Path
opened = set()
def hook(event, values):
    if event == "open" and isinstance(values[0], str):
        opened.add(os.path.abspath(values[0]))
sys.addaudithook(hook)
import edgeq
from edgeq.cli.asked import asked_from
from edgeq.cli.shared.values import SharedOptions
from edgeq.io.run_files import run_files
room = Path(sys.argv[1])
with run_files() as record:
    asked = asked_from(SharedOptions(recipe=room / "recipe.toml", target=str(room / "own.toml")))
    edgeq.quantize(room / "a.onnx", room / "set", target=asked.load_target(), recipe=asked.recipe, prove=False)
    edgeq.calibrate(room / "a.onnx", room / "calib.npz").save(room / "s.npz")
print(*sorted(path.removeprefix(str(room) + "/") for path in opened if path.startswith(str(room) + "/")))
print(*sorted(str(path.relative_to(room)) for path in record.paths))
"""


def test_every_file_that_a_run_opens_is_noted(room: Path) -> None:
    """Python tells of each file that is opened: none of the user's may be forgotten."""
    onnx.save(conv_net(), room / "a.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    np.savez(room / "calib.npz", x=np.random.default_rng(0).normal(size=(8, 3, 8, 8)).astype(np.float32))
    (room / "recipe.toml").write_text("")
    (room / "own.toml").write_bytes((TARGET).read_bytes())
    (room / "set" / "set.toml").write_text('schema_version = 1\nname = "mine"\nfiles = ["*.npy"]\nlabels = "labels.csv"\n')
    (room / "set" / "labels.csv").write_text("".join(f"{place}.npy,{place}\n" for place in range(8)))
    done = subprocess.run([sys.executable, "-c", OPENED, str(room)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    opened, noted = (set(line.split()) for line in done.stdout.splitlines())
    wanted = {"a.onnx", "weights.bin", "recipe.toml", "own.toml", "calib.npz", "set/set.toml", "set/labels.csv", "set/0.npy", "set/7.npy"}
    assert wanted <= noted
    assert {name for name in opened if not name.startswith(".edgeq-tmp-")} <= noted


def test_a_stale_side_file_is_named_where_a_tflite_file_is_proven(room: Path, capsys: Capsys) -> None:
    pytest.importorskip("ai_edge_litert")
    out, golden = room / "o.tflite", room / "o.golden.npz"
    given = ("-d", room / "calib.npz", "--no-prove", "-t", "mcu_tflite", "-o", out)
    assert run(capsys, "quantize", room / "a.onnx", *given, "--golden", "2").code == 0
    assert "belongs to another" not in run(capsys, "prove", out).err
    assert run(capsys, "quantize", room / "b.onnx", *given, "--force").code == 0
    ran = run(capsys, "prove", out)
    assert ran.code == 0
    assert f"{golden} belongs to another model than {out}" in ran.err
