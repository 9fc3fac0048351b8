"""A command lists at its end every file that it wrote; what it cannot do leaves none."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from edgeq.io.load import load_proto
from edgeq.io.save import save_model
from tests.cli_room import Room, make_room, run
from tests.graph_text import weights
from tests.small_models import conv_net, text_model

Capsys = pytest.CaptureFixture[str]

CONV_WEIGHTS = {"w": weights(16, 3, 3, 3), "v": weights(16, 16, 3, 3, seed=1)}
CONVS = """<ir_version: 8, opset_import: ["": 13]>
    net (float[1, 3, 8, 8] x) => (float[1, 16, 4, 4] y) { c = Conv(x, w) r = Relu(c) y = Conv(r, v) }"""
#: command -> its words beside model, data and output
COMMANDS = {
    "quantize": ("--report", "r.html", "--emit", "ort", "--effort", "fast"),
    "quantize to a target": ("-t", "npu_int8", "--golden", "3", "--effort", "fast"),
    "palettize": ("--bits", "4", "--report", "r.json"),
    "palettize int8": ("--bits", "4", "--compute", "int8", "--report", "r.json", "--no-prove"),
    "finetune": ("--epochs", "1", "--keep", "k.ckpt", "--no-prove"),
    "finetune widths": ("--bits", "8,4", "--epochs", "1"),
    "finetune float": ("--bits", "8,4", "--compute", "float", "--epochs", "1"),
    "calibrate": (),
}


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Room:
    return make_room(tmp_path_factory.mktemp("room"))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_file_is_listed_at_the_end(command: str, room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capsys) -> None:
    if command.startswith("finetune"):
        pytest.importorskip("torch", reason="training needs the extra learn")
    monkeypatch.chdir(tmp_path)
    name, model, before = command.split()[0], Path(room.model), set[str]()
    if name == "finetune" or "target" in command:  # a model that is integers from end to end
        model, before = Path("in.onnx"), {"in.onnx"}
        model.write_bytes(text_model(CONVS, CONV_WEIGHTS).SerializeToString())
    words = COMMANDS[command]
    ran = run(capsys, name, model, "-d", room.data, "-o", "a.npz" if name == "calibrate" else "a.onnx", *words)
    assert ran.code == 0, ran.err
    lines = ran.out.rstrip().splitlines()
    told = [line.split()[1].rstrip(":") for line in lines if line.startswith("wrote ")]
    assert sorted(told) == sorted({path.name for path in tmp_path.iterdir()} - before)
    assert all(line.startswith("wrote ") for line in lines[-len(told) :])
    as_json = run(capsys, name, model, "-d", room.data, "-o", "b.npz" if name == "calibrate" else "b.onnx", *words, "--json", "--force")
    assert "wrote" not in as_json.out


def test_external_data_is_listed_too(tmp_path: Path) -> None:
    model = load_proto(conv_net()).model
    assert sorted(save_model(model, tmp_path / "m.onnx", external_data=True)) == sorted(tmp_path.iterdir())


def test_a_model_that_was_not_written_is_not_listed(room: Room, tmp_path: Path, capsys: Capsys) -> None:
    words = (
        "-d",
        room.data,
        "-o",
        tmp_path / "a.onnx",
        "--report",
        tmp_path / "r.json",
        "--min-sqnr",
        "200",
        "--strict",
        "--effort",
        "fast",
    )
    ran = run(capsys, "quantize", room.model, *words)
    assert ran.code == 3
    assert re.findall(r"^wrote .*?(\w+\.\w+) \(", ran.out, re.M) == ["r.json"]


@pytest.mark.parametrize("words", [("--bits", "4"), ("--size-budget", "50%"), ("--bits-avg", "4"), ("--bits", "4", "--compute", "int8")])
def test_a_model_without_weights_is_not_palettized(words: tuple[str, ...], tmp_path: Path, capsys: Capsys) -> None:
    text = '<ir_version: 8, opset_import: ["": 13]> net (float[N, 4] x) => (float[N, 4] y) { r = Relu (x) y = Exp (r) }'
    (tmp_path / "in.onnx").write_bytes(text_model(text, {}).SerializeToString())
    np.savez(tmp_path / "d.npz", x=np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32))
    ran = run(capsys, "palettize", tmp_path / "in.onnx", "-d", tmp_path / "d.npz", *words, "-o", tmp_path / "out.onnx")
    assert (ran.code, ran.out, sorted(path.name for path in tmp_path.iterdir())) == (2, "", ["d.npz", "in.onnx"])
    assert "weights" in ran.err


def test_tables_that_would_cost_more_than_they_save_are_not_written(tmp_path: Path, capsys: Capsys) -> None:
    text = '<ir_version: 8, opset_import: ["": 13]> net (float[N, 4] x) => (float[N, 2] y) { y = MatMul (x, w) }'
    (tmp_path / "in.onnx").write_bytes(text_model(text, {"w": np.arange(8, dtype=np.float32).reshape(4, 2)}).SerializeToString())
    ran = run(capsys, "palettize", tmp_path / "in.onnx", "--bits", "8", "-o", tmp_path / "out.onnx")
    assert (ran.code, "Nothing was stored in tables" in ran.err, (tmp_path / "out.onnx").exists()) == (2, True, False)
