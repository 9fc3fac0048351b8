"""Tests that the published schemas are those of the code, and that what --json prints follows them:
the result of every command, what it writes as JSON, and errors.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeq.cli.app.commands import app
from edgeq.cli.printed.schema import published, results, schema_of
from edgeq.data.shipped import shipped_model
from tests.cli_room import Room, make_room, run

ROOT = Path(__file__).resolve().parents[3]
PUBLISHED = ROOT / "docs" / "schemas"
Capsys = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Room:
    return make_room(tmp_path_factory.mktemp("schemas"))


def closed(schema: Any) -> Any:
    """A schema that allows no field but those it names, so that each is found to be published."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(value) for key, value in schema.items()}
    return found | {"additionalProperties": False} if isinstance(schema.get("properties"), dict) and "type" in schema else found


def check(document: object, name: str) -> None:
    """Raise where a document does not follow the published schema of that name."""
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema (extra [dev]) is not installed")
    schema = json.loads((PUBLISHED / f"{name}.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(closed(schema)).validate(document)


def test_the_published_schemas_are_those_of_the_code(tmp_path: Path) -> None:
    """In a process of their own: the suite changes the default of a recipe."""
    subprocess.run([sys.executable, "-m", "edgeq.cli.printed.schema", str(tmp_path)], cwd=ROOT, check=True)
    written, made = ({path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")} for folder in (PUBLISHED, tmp_path))
    assert written == made, "run: python -m edgeq.cli.printed.schema docs/schemas"
    assert {*made} == {*published()}


def test_every_command_has_a_schema() -> None:
    import typer

    commands = {*typer.main.get_command(app).commands}  # type: ignore[attr-defined]  # a group
    reports = {"demo", "quantize", "finetune", "prove", "targets"}  # whose results are reports, or have several forms
    assert commands - reports <= {*results()}
    assert {name for name in results() if name.split("-")[0] not in commands} == {"error", "plan", "target"}


def commands(room: Room, folder: Path) -> Iterator[tuple[str, list[str]]]:
    """The schema and the words of one call of each form."""
    model, data, int8 = room.model, room.data, room.int8
    yield "calibrate", ["calibrate", model, "-d", data, "-o", f"{folder}/s.npz"]
    yield "check", ["check", int8, "-t", "npu_int8"]
    yield "compare", ["compare", model, int8, "-d", data, "--layers"]
    yield "compare", ["compare", model, int8, "-d", f"{folder}/labelled.npz", "--metric", "f1"]
    yield "doctor", ["doctor"]
    yield "explain", ["explain", int8, "conv"]
    yield "explain", ["explain", int8, "c"]
    yield "formats", ["formats"]
    yield "init", ["init", model, "-o", f"{folder}/start"]
    yield "init", ["init", model, "-o", f"{folder}/start2", "--data", data]
    yield "inspect", ["inspect", model, "-t", "mcu_tflite"]
    yield "palettize", ["palettize", model, "--bits", "4", "-d", data, "-o", f"{folder}/w4.onnx", "--report", f"{folder}/w4.json"]
    yield "palettize", ["palettize", model, "--format", "int4", "-o", f"{folder}/i4.onnx"]
    yield "materialize", ["materialize", f"{folder}/w4.onnx", "-o", f"{folder}/plain.onnx"]
    yield "prove", ["prove", int8]
    yield "prove", ["prove", int8, "--float", model, "-d", data]
    yield "report", ["quantize", model, "-d", data, "-o", f"{folder}/q.onnx", "--report", f"{folder}/q.json"]
    yield "report", ["quantize", model, "-d", data, "-o", f"{folder}/p.onnx", "--no-prove"]
    yield "report", ["quantize", model, "-d", data, "-o", f"{folder}/b.onnx", "--effort", "best", "--minutes", "0.02", "--min-sqnr", "1"]
    yield "target", ["targets", "show", "cpu"]
    yield "targets", ["targets"]
    yield "error", ["inspect", f"{folder}/nowhere.onnx"]
    yield "error", ["quantize", model, "--no-such-option"]
    if find_spec("tflite") is not None:
        quantize = ["quantize", str(shipped_model("digits")), "-d", "digits", "-t", "mcu_tflite", "--no-prove", "--golden", "2", "--layers"]
        yield "report", [*quantize, "-o", f"{folder}/codes.onnx"]
        yield "compare-board", ["compare", f"{folder}/codes.golden.npz", f"{folder}/codes.golden.npz"]
        yield "convert", ["convert", f"{folder}/codes.onnx", "-o", f"{folder}/codes.tflite", "--report", f"{folder}/c.json"]
        if find_spec("ai_edge_litert") is not None:
            yield "prove-runtime", ["prove", f"{folder}/codes.tflite"]


def test_every_json_follows_its_schema(room: Room, tmp_path: Path, capsys: Capsys) -> None:
    samples = np.load(room.data)["x"]
    np.savez(tmp_path / "labelled.npz", x=samples, labels=np.arange(len(samples)) % 3)
    seen = set()
    for name, words in commands(room, tmp_path):
        ran = run(capsys, *words, "--json", "-q")
        document = json.loads(ran.out)
        assert document["schema_version"] == 1, words
        check(document, name)
        seen.add(name)
    for name, written in (("report", "q"), ("palettize", "w4"), *([("convert", "c")] if (tmp_path / "c.json").exists() else [])):
        check(json.loads((tmp_path / f"{written}.json").read_text()), name)
    check(json.loads(Path(room.plan).read_text()), "plan")
    assert {"calibrate", "check", "compare", "error", "report", "prove"} <= seen


@pytest.mark.slow
def test_the_json_of_training_follows_its_schema(room: Room, tmp_path: Path, capsys: Capsys) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    words = ["finetune", room.model, "-d", room.data, "--epochs", "1", "--bits", "8,4", "-o", str(tmp_path / "w.onnx"), "--min-sqnr", "0"]
    check(json.loads(run(capsys, *words, "--json", "-q").out), "finetune-widths")


def test_an_unpublished_field_is_found(room: Room, capsys: Capsys) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema (extra [dev]) is not installed")
    document = json.loads(run(capsys, "explain", room.int8, "conv", "--json").out)
    document["explanations"][0]["news"] = 1
    with pytest.raises(jsonschema.ValidationError, match="news"):
        check(document, "explain")
    del document["explanations"][0]["news"], document["explanations"][0]["runs"]
    with pytest.raises(jsonschema.ValidationError, match="runs"):
        check(document, "explain")


@dataclass(frozen=True)
class Odd:
    """A type without a JSON form."""

    at: complex


def test_a_type_without_a_json_form_is_refused() -> None:
    with pytest.raises(TypeError, match="complex"):
        schema_of(Odd)


def test_stdout_has_one_document_where_a_floor_is_missed(room: Room, tmp_path: Path, capsys: Capsys) -> None:
    ran = run(capsys, "compare", room.model, room.int8, "-d", room.data, "--min-sqnr", "500", "--json")
    assert ran.code == 3
    assert "outputs" in json.loads(ran.out)  # the result; the error is on stderr
    assert "below the floor" in ran.err
    shutil.copy(room.model, tmp_path / "m.onnx")
    error = json.loads(run(capsys, "prove", tmp_path / "nothing.onnx", "--json").out)["error"]
    assert (error["kind"], error["exit_code"]) == ("BadModel", 2)
