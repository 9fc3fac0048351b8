"""`edgeq prove MODEL.tflite`: LiteRT by itself, against edgeq's interpreter and against float."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgeq.api import quantize
from edgeq.schema.recipe import Recipe
from tests.cli_room import run
from tests.targets.test_integer_only import net, samples

pytest.importorskip("tflite", reason="needs the extra [tflite]")
pytest.importorskip("ai_edge_litert", reason="needs the extra [backends]")


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("room")
    onnx.save(net(), path / "m.onnx")
    np.savez(path / "d.npz", **samples())
    result = quantize(net(), samples(), target="mcu_tflite", recipe=Recipe(effort="fast"), prove=False)
    result.save(path / "m.tflite")
    result.save(path / "m.int8.onnx")
    return path


@pytest.mark.parametrize("words", [(), ("--data", "d.npz")], ids=["made-up", "data"])
def test_a_file_needs_no_second_file(
    room: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(room)
    ran = run(capsys, "prove", "m.tflite", *words, "--json")
    proofs = json.loads(ran.out)["proofs"]
    assert [one["runtime"] for one in proofs] == ["litert reference", "litert xnnpack"]
    assert {(one["against"], one["unread"], one["fidelity"]) for one in proofs} == {("interpreter", "", None)}
    # Softmax by TFLite's own table: at most one code from the function
    assert proofs[0]["distance"]["outputs"][0]["max_lsb"] <= 1
    assert proofs[0]["distance"]["samples"] == (16 if words else 8)


def test_float_and_the_onnx_form_are_further_references(room: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("prove", room / "m.tflite", "-d", room / "d.npz", "--json")
    (with_float, *_) = json.loads(run(capsys, *words, "--float", room / "m.onnx").out)["proofs"]
    assert with_float["fidelity"]["outputs"][0]["sqnr_db"] > 5
    (with_onnx, *_) = json.loads(run(capsys, *words, "--reference", room / "m.int8.onnx").out)["proofs"]
    assert with_onnx["against"] == "onnx"
    assert run(capsys, "prove", room / "m.tflite", "--float", room / "m.onnx").code == 2


def test_the_plan_beside_a_file_explains_its_nodes(room: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("quantize", room / "m.onnx", "-d", room / "d.npz", "-t", "mcu_tflite", "--no-prove", "--effort", "fast")
    assert run(capsys, *words, "-o", room / "own.tflite").code == 0
    node = str(net().graph.node[0].name)
    assert "scale" in run(capsys, "explain", room / "own.tflite", node).out
    assert run(capsys, "explain", room / "m.tflite", node, "--plan", room / "own.plan.json").code == 0
    assert run(capsys, *words, "--rule", "minmax", "-o", room / "by_rule.tflite").code == 0
    assert "hashes differ" in run(capsys, "explain", room / "m.tflite", node, "--plan", room / "by_rule.plan.json").err


def test_onnxruntime_is_refused_by_name_and_a_missing_file_too(room: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "onnxruntime takes ONNX models" in run(capsys, "prove", room / "m.tflite", "--runtime", "onnxruntime").err
    assert run(capsys, "prove", room / "other.tflite").code == 2


def test_an_operator_that_the_interpreter_lacks_leaves_the_file_provable(
    room: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgeq.integers.reading.read import READERS

    monkeypatch.delitem(READERS, "CONV_2D")
    ran = run(capsys, "prove", room / "m.tflite")
    assert ran.code == 0
    assert "no CONV_2D" in ran.out
