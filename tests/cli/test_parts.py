"""The command line on outputs of parts: warnings on stderr, worst first, and --split-outputs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from tests.cli_room import run
from tests.detectors import Net, concat_then_reshape, images
from tests.reports import document

Capsys = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """model.onnx, whose output joins boxes and scores, recipe.toml, calib.npz and eval.npz."""
    path = tmp_path_factory.mktemp("parts")
    ir.save(concat_then_reshape()[0], path / "model.onnx")
    np.savez(path / "calib.npz", image=images(16, 1))
    np.savez(path / "eval.npz", image=images(8, 2))
    (path / "recipe.toml").write_text('effort = "fast"\n')
    return path


def quantize(capsys: Capsys, folder: Path, out: str, *words: str) -> tuple[dict[str, object], str]:
    given = (folder / "model.onnx", "-d", folder / "calib.npz", "-o", folder / out, "--recipe", folder / "recipe.toml")
    ran = run(capsys, "quantize", *given, "-t", "npu_int8", "--force", "--json", *words)
    assert ran.code == 0, ran.err
    return json.loads(ran.out), ran.err


def test_a_lost_part_is_named_on_stderr_and_in_the_report(folder: Path, capsys: Capsys) -> None:
    report, err = quantize(capsys, folder, "whole.onnx")
    assert "warning: Part scores of output out is far from float" in err
    assert "warning: Concat Concat_both joins parts of very different range" in err and "--split-outputs" in err
    fidelity, findings = report["fidelity"], report["findings"]
    assert isinstance(fidelity, dict) and isinstance(findings, list)
    assert (fidelity["weakest"]["output"], fidelity["weakest"]["part"]) == ("out", "scores")
    assert fidelity["sqnr_db"] > 30 > 1 > fidelity["weakest"]["sqnr_db"]
    assert [(one["kind"], one["node"]) for one in findings] == [("weak", None), ("shared_grid", "Concat_both")]
    assert {part["value"] for part in findings[1]["parts"]} == {"boxes", "scores"}


def test_the_report_of_people_shows_every_part(folder: Path, capsys: Capsys) -> None:
    given = (folder / "model.onnx", "-d", folder / "calib.npz", "-o", folder / "a.onnx", "--recipe", folder / "recipe.toml")
    ran = run(capsys, "quantize", *given, "-t", "npu_int8", "--report", folder / "a.html")
    said = ran.out
    assert "! Part scores" in said and "Part scores" not in ran.err  # said once
    assert "at worst, scores in out" in said
    assert "part boxes: " in said
    page = (folder / "a.html").read_text()
    assert "scores in out" in page
    assert {row["part"] for row in document(page)["runs"][0]["outputs"]} == {"", "boxes", "scores"}


def test_split_outputs_are_quantized_compared_and_checked(folder: Path, capsys: Capsys) -> None:
    report, err = quantize(capsys, folder, "split.onnx", "--split-outputs")
    assert "warning" not in err
    outputs, notes = report["outputs"], report["notes"]
    assert isinstance(outputs, list) and isinstance(notes, list)
    assert [(one["name"], one["shape"]) for one in outputs] == [("out.0", [1, 4, 256]), ("out.1", [1, 20, 256])]
    assert outputs[0]["scale"] > 100 * outputs[1]["scale"]
    assert any("out.0 (" in note and "out.1 (" in note for note in notes)
    ran = run(capsys, "compare", folder / "model.onnx", folder / "split.onnx", "-d", folder / "eval.npz", "--min-sqnr", "30", "--json")
    assert ran.code == 0, ran.err
    assert {one["name"] for one in json.loads(ran.out)["outputs"]} == {"out.0", "out.1"}
    assert run(capsys, "check", folder / "split.onnx", "-t", "npu_int8").code == 0


def test_a_plan_of_split_outputs_is_repeated_without_the_option(folder: Path, capsys: Capsys) -> None:
    quantize(capsys, folder, "split.onnx", "--split-outputs")
    given = (folder / "model.onnx", "--plan", folder / "split.plan.json", "-o", folder / "again.onnx", "-t", "npu_int8")
    assert run(capsys, "quantize", *given, "--no-plan", "--force").code == 0
    assert (folder / "again.onnx").read_bytes() == (folder / "split.onnx").read_bytes()


def test_split_outputs_become_a_tflite_file(folder: Path, capsys: Capsys) -> None:
    quantize(capsys, folder, "split.tflite", "--split-outputs", "-t", "mcu_tflite")
    assert (folder / "split.tflite").stat().st_size > 1000


def test_the_option_without_effect_says_so(folder: Path, capsys: Capsys) -> None:
    net = Net()
    net.boxes("out")
    ir.save(net.model([1, 4, 16, 16]), folder / "boxes.onnx")
    given = (folder / "boxes.onnx", "-d", folder / "calib.npz", "-o", folder / "b.onnx", "--recipe", folder / "recipe.toml")
    assert "--split-outputs changed nothing" in run(capsys, "quantize", *given, "--split-outputs", "--no-prove").out


def test_check_warns_of_the_shared_grid(folder: Path, capsys: Capsys) -> None:
    """As `quantize` does: the model breaks no fact of the target."""
    quantize(capsys, folder, "whole.onnx")
    ran = run(capsys, "check", folder / "whole.onnx", "-t", "npu_int8", "--json")
    assert ran.code == 0
    found = json.loads(ran.out)
    assert found["violations"] == []
    [one] = found["warnings"]
    assert (one["rule"], one["node"]) == ("shared_grid", "Concat_both")
    assert "scores" in one["observed"]
    assert "warning: shared_grid, Concat_both" in ran.err


def test_check_tells_broken_facts_from_warnings(folder: Path, capsys: Capsys) -> None:
    quantize(capsys, folder, "whole.onnx")
    ran = run(capsys, "check", folder / "whole.onnx", "-t", "dsp_int8", "--json")
    found = json.loads(ran.out)
    assert ran.code == 3
    assert found["violations"]
    assert "shared_grid" not in {one["rule"] for one in found["violations"]}
    assert [one["rule"] for one in found["warnings"]] == ["shared_grid"]


def test_a_node_that_breaks_a_fact_in_several_places_is_counted_once(folder: Path, capsys: Capsys) -> None:
    quantize(capsys, folder, "signed.onnx")
    ran = run(capsys, "check", folder / "signed.onnx", "-t", "cpu")
    fact = " ".join(ran.out.split()).split("activation_dtype ")[1].split(" has ")[0]
    named = fact.split(": ")[-1].split(" and ")[0].split(", ")
    assert len(set(named)) == len(named)
    broken = json.loads(run(capsys, "check", folder / "signed.onnx", "-t", "cpu", "--json").out)["violations"]
    nodes = {one["node"] for one in broken if one["rule"] == "activation_dtype"}
    assert fact.startswith(f"{len(nodes)} nodes: ") and len(nodes) < len(broken)
    facts = {(one["rule"], one["fact"]) for one in broken}
    assert f"breaks {len(facts)} fact" in ran.err and f"in {len(broken)} places" in ran.err
