"""Tests of the command line: every command does its work, talks JSON, stays quiet, helps with an
example.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgeq.schema.recipe import Recipe, load_recipe
from edgeq.schema.rules import RULES
from tests.cli_room import Ran, Room, make_room, run

ROOT = Path(__file__).resolve().parents[2]

COMMANDS = ("demo", "init", "inspect", "quantize", "calibrate", "prove", "compare", "explain", "targets")
Capsys = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Room:
    return make_room(tmp_path_factory.mktemp("room"))


def parsed(ran: Ran) -> dict[str, object]:
    """stdout as one JSON object."""
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert isinstance(found, dict)
    return found


# ------------------------------------------------------------------ help


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(command: str, capsys: Capsys) -> None:
    ran = run(capsys, command, "--help")
    assert ran.code == 0
    assert "Example" in ran.out
    assert f"edgeq {command}" in ran.out.split("Example")[1]
    assert "--json" in ran.out
    assert "\x1b" not in ran.out


def test_help_lists_every_command(capsys: Capsys) -> None:
    ran = run(capsys, "--help")
    assert all(f" {command} " in ran.out for command in COMMANDS)


def test_help_lists_every_range_rule(capsys: Capsys) -> None:
    told = run(capsys, "quantize", "--help").out.partition("Range rule:")[2].partition("--")[0]
    assert sorted(set(re.findall(r"\w+", told)) - {"or"}) == sorted(RULES)


def test_version(capsys: Capsys) -> None:
    assert run(capsys, "--version").out.startswith("edgeq 0.")


# ------------------------------------------------------------------ quantize


def test_quantize_writes_model_plan_and_report(room: Room, tmp_path: Path, capsys: Capsys) -> None:
    out, report = tmp_path / "a.int8.onnx", tmp_path / "a.json"
    ran = run(capsys, "quantize", room.model, "-d", room.data, "-o", out, "--report", report)
    assert ran.code == 0, ran.err
    onnx.checker.check_model(onnx.load(out))
    assert {path.name for path in tmp_path.iterdir()} == {"a.int8.onnx", "a.int8.plan.json", "a.json"}
    found = json.loads(report.read_text())
    assert found["placement"]["macs_int8_pct"] > 90
    assert found["data"]["samples"] == 16
    assert "SQNR" in ran.out
    assert "no integer kernel for Exp" in " ".join(ran.out.split())
    assert f'InferenceSession("{out}"' in ran.out
    assert "\x1b" not in ran.out + ran.err


def test_two_runs_are_byte_identical(room: Room, tmp_path: Path, capsys: Capsys) -> None:
    out = tmp_path / "b.onnx"
    assert run(capsys, "quantize", room.model, "-d", room.data, "-o", out, "--no-prove").code == 0
    assert out.read_bytes() == Path(room.int8).read_bytes()
    assert (tmp_path / "b.plan.json").read_bytes() == Path(room.plan).read_bytes()


def test_json_is_all_there_is_on_stdout(room: Room, tmp_path: Path, capsys: Capsys) -> None:
    found = parsed(run(capsys, "quantize", room.model, "-d", room.data, "-o", tmp_path / "a.onnx", "--json", "--no-prove"))
    assert (found["schema_version"], found["placement"]) == (1, None)


def test_quiet_prints_nothing(room: Room, tmp_path: Path, capsys: Capsys) -> None:
    ran = run(capsys, "quantize", room.model, "-d", room.data, "-o", tmp_path / "a.onnx", "--quiet")
    assert (ran.code, ran.out, ran.err) == (0, "", "")


def test_options_win_over_the_recipe_file(room: Room, tmp_path: Path, capsys: Capsys) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text('rule = "kl"\nseed = 3\n[floors]\nmin_sqnr = 1.0\n')
    words = ("-d", room.data, "-o", tmp_path / "a.onnx", "--recipe", recipe, "--rule", "minmax", "--samples", "9", "--json", "--no-plan")
    found = parsed(run(capsys, "quantize", room.model, *words))
    settings = found["recipe"]
    assert isinstance(settings, dict)
    assert (found["rule"], settings["seed"], settings["samples"], settings["floors"]["min_sqnr"]) == ("minmax", 3, 9, 1.0)
    assert found["gate"] == "passed"
    assert not (tmp_path / "a.plan.json").exists()


def test_keep_float_keeps_float(room: Room, tmp_path: Path, capsys: Capsys) -> None:
    words = ("-d", room.data, "-o", tmp_path / "a.onnx", "--keep-float", "fc", "--keep-float", "/^co/", "--json")
    placement = parsed(run(capsys, "quantize", room.model, *words))["placement"]
    assert isinstance(placement, dict)
    assert {node["name"] for node in placement["nodes"] if node["runs_as"] == "float"} >= {"fc", "conv"}


def test_a_plan_repeats_its_run_without_data(room: Room, tmp_path: Path, capsys: Capsys) -> None:
    out = tmp_path / "again.onnx"
    assert run(capsys, "quantize", room.model, "--plan", room.plan, "-o", out, "--no-prove").code == 0
    assert out.read_bytes() == Path(room.int8).read_bytes()


# ------------------------------------------------------------------ gates


def gate_of(path: Path) -> str:
    """The gate that the model itself records."""
    return {entry.key: entry.value for entry in onnx.load(path).metadata_props}["edgeq.gate"]


def test_a_missed_floor_ends_with_3_and_marks_the_file(room: Room, tmp_path: Path, capsys: Capsys) -> None:
    out = tmp_path / "a.onnx"
    ran = run(capsys, "quantize", room.model, "-d", room.data, "-o", out, "--min-sqnr", "200", "--json")
    assert ran.code == 3
    assert json.loads(ran.out)["gate"] == "failed"
    assert gate_of(out) == "failed"
    assert ran.err.strip().splitlines()[-3].startswith("error: SQNR")


def test_strict_writes_nothing_below_a_floor(room: Room, tmp_path: Path, capsys: Capsys) -> None:
    ran = run(capsys, "quantize", room.model, "-d", room.data, "-o", tmp_path / "a.onnx", "--min-sqnr", "200", "--strict")
    assert ran.code == 3
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------ calibrate


def test_statistics_give_the_same_model_as_data(room: Room, tmp_path: Path, capsys: Capsys) -> None:
    stats, out = tmp_path / "s.npz", tmp_path / "a.onnx"
    found = parsed(run(capsys, "calibrate", room.model, "-d", room.data, "-o", stats, "--json"))
    assert found["samples"] == 16
    assert run(capsys, "quantize", room.model, "-d", room.data, "--stats", stats, "-o", out, "--no-prove").code == 0
    assert out.read_bytes() == Path(room.int8).read_bytes()


def test_statistics_alone_are_enough(room: Room, tmp_path: Path, capsys: Capsys) -> None:
    stats, out = tmp_path / "s.npz", tmp_path / "a.onnx"
    assert run(capsys, "calibrate", room.model, "-d", room.data, "-o", stats).code == 0
    found = parsed(run(capsys, "quantize", room.model, "--stats", stats, "-o", out, "--json"))
    assert (found["fidelity"], found["data"]) == (None, None)
    assert found["placement"] is not None
    onnx.checker.check_model(onnx.load(out))


def test_shards_merge_to_the_whole(room: Room, tmp_path: Path, capsys: Capsys) -> None:
    whole, first, second, merged = (tmp_path / f"{name}.npz" for name in ("whole", "first", "second", "merged"))
    for path, part in ((whole, ":"), (first, "0:5"), (second, "5:")):
        assert run(capsys, "calibrate", room.model, "-d", room.data, "--range", part, "-o", path).code == 0
    assert run(capsys, "calibrate", "--merge", second, first, "-o", merged).code == 0
    assert merged.read_bytes() == whole.read_bytes()


# ------------------------------------------------------------------ prove, compare


def test_prove_lists_the_float_models_nodes_and_times_both(room: Room, capsys: Capsys) -> None:
    found = parsed(run(capsys, "prove", room.int8, "--float", room.model, "--threads", "1", "--json"))
    placement, latency = found["placement"], found["latency"]
    assert isinstance(placement, dict)
    assert isinstance(latency, dict)
    assert [node["name"] for node in placement["nodes"]] == ["conv", "relu", "flat", "fc", "exp"]
    assert (latency["threads"], latency["batch"]) == (1, 1)
    assert latency["float_ms"] > 0


def test_prove_speaks_to_people(room: Room, capsys: Capsys) -> None:
    ran = run(capsys, "prove", room.int8, "--float", room.model, "--data", room.data)
    assert ran.code == 0
    assert "QLinearConv" in ran.out
    said = " ".join(ran.out.split())
    assert any(verdict in said for verdict in ("than float here", "as float here", "NOT faster", "UNRELIABLE"))  # a busy machine's


def test_required_types_are_a_gate(room: Room, capsys: Capsys) -> None:
    assert run(capsys, "prove", room.int8, "--require-int8", "Conv,Gemm").code == 0
    ran = run(capsys, "prove", room.int8, "--require-int8", "Conv, Exp")
    assert ran.code == 3
    assert "exp" in ran.err


def test_compare_measures_and_gates(room: Room, capsys: Capsys) -> None:
    found = parsed(run(capsys, "compare", room.model, room.int8, "-d", room.data, "--layers", "--json"))
    outputs, layers = found["outputs"], found["layers"]
    assert isinstance(outputs, list)
    assert isinstance(layers, list)
    assert outputs[0]["sqnr_db"] > 5
    assert {layer["name"] for layer in layers} >= {"exp"}
    ran = run(capsys, "compare", room.model, room.int8, "-d", room.data, "--min-sqnr", "200")
    assert ran.code == 3
    assert "max error" in ran.out


# ------------------------------------------------------------------ explain, inspect, init,
# targets, demo


def test_explain_names_rule_scale_and_reason(room: Room, capsys: Capsys) -> None:
    said = run(capsys, "explain", room.int8, "conv").out
    assert all(word in said for word in ("int8", "rule mse", "zero point", "scale", "weight", "bias"))
    assert "no integer kernel for Exp" in run(capsys, "explain", room.plan, "exp").out


def test_explain_takes_a_value_too(room: Room, capsys: Capsys) -> None:
    ran = run(capsys, "explain", room.int8, "c", "--json")
    assert {entry["node"] for entry in json.loads(ran.out)["explanations"]} == {"conv", "relu"}


def test_inspect(room: Room, capsys: Capsys) -> None:
    found = parsed(run(capsys, "inspect", room.model, "--json"))
    assert found["parameters"] == 2672
    text = run(capsys, "inspect", room.model).out
    assert all(word in text for word in ("flash", "RAM", "MACs", "dynamic", "Would stay float"))


def test_init_writes_files_that_load(room: Room, tmp_path: Path, capsys: Capsys) -> None:
    folder = tmp_path / "new"
    assert run(capsys, "init", room.model, "-o", folder).code == 0
    assert load_recipe(folder / "recipe.toml") == Recipe()
    np.save(folder / "one.npy", np.zeros((3, 8, 8), np.float32))
    words = ("-d", folder, "--recipe", folder / "recipe.toml", "-o", tmp_path / "a.onnx", "--no-prove", "--accept-data")
    assert run(capsys, "quantize", room.model, *words).code == 0


def test_init_never_overwrites(room: Room, tmp_path: Path, capsys: Capsys) -> None:
    (tmp_path / "set.toml").write_text("mine")
    assert run(capsys, "init", room.model, "-o", tmp_path).code == 2
    assert (tmp_path / "set.toml").read_text() == "mine"
    assert not (tmp_path / "recipe.toml").exists()
    assert run(capsys, "init", room.model, "-o", tmp_path, "--force").code == 0
    assert "schema_version" in (tmp_path / "set.toml").read_text()


def test_targets(capsys: Capsys) -> None:
    assert "cpu" in run(capsys, "targets").out
    facts = parsed(run(capsys, "targets", "show", "cpu", "--json"))
    assert facts["name"] == "cpu"
    assert "QLinearConv" in run(capsys, "targets", "show", "cpu").out


def test_demo_tells_the_whole_story(tmp_path: Path, capsys: Capsys) -> None:
    folder = tmp_path / "demo"
    found = parsed(run(capsys, "demo", "-o", folder, "--json"))
    accuracy = found["accuracy"]
    assert isinstance(accuracy, dict)
    assert accuracy["metric"] == "top1"
    assert accuracy["int8"] > 0.95
    assert {"digits.int8.onnx", "digits.int8.plan.json", "report.json"} <= {path.name for path in folder.iterdir()}
    assert run(capsys, "demo", "-o", folder).code == 2
