"""Models of targets with signed activations: fused as on Arm, compared without this machine's sums,
and not timed where they do not belong.
"""

from __future__ import annotations

import platform

import numpy as np
import onnx
import pytest

from edgeq.api import Quantized, compare, quantize
from edgeq.errors import BadRecipe
from edgeq.io.load import load_proto
from edgeq.numerics.arrays import AnyArray
from edgeq.proof.made_for import made_for
from edgeq.proof.proof import prove_placement
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import Target, load_target
from tests.graph_text import eager
from tests.small_models import conv_net, text_model

OWN = {"x86_64": "cpu", "amd64": "cpu", "arm64": "cpu_arm", "aarch64": "cpu_arm"}
SHIPPED = ("cpu", "cpu_arm")


def samples() -> dict[str, AnyArray]:
    return {"x": np.random.default_rng(1).normal(size=(16, 3, 8, 8)).astype(np.float32)}


def made(target: str | Target, *, prove: bool = False) -> Quantized:
    return quantize(conv_net(), samples(), target=target, recipe=Recipe(effort="fast"), prove=prove)


def mine(**changed: object) -> Target:
    """A target of a user's own: signed, of no particular processor."""
    return Target.model_validate({**load_target("cpu_arm").model_dump(), "name": "mine", "architecture": None, **changed})


@pytest.mark.parametrize("target", ["cpu_arm", mine()], ids=["shipped", "own"])
def test_layers_of_a_signed_target_run_in_integers(target: str | Target) -> None:
    found = prove_placement(made(target).model)
    assert found.signed
    assert {node.name: node.runs_as for node in found.nodes if node.op_type in ("Conv", "Gemm")} == {"conv": "int8", "fc": "int8"}


def test_unsigned_models_and_those_of_other_tools_run_as_they_do_on_this_machine() -> None:
    assert not prove_placement(made("cpu").model).signed
    foreign = made("cpu_arm").model
    del foreign.metadata_props["edgeq.target"]
    assert made_for(foreign) == made_for(load_proto(conv_net()).model)
    assert not prove_placement(foreign).signed


@pytest.mark.parametrize("target", SHIPPED)
def test_a_time_is_told_on_the_target_s_architecture_alone(target: str) -> None:
    here = OWN.get(platform.machine().lower()) == target
    report = made(target, prove=True).report
    assert (report.latency is not None, report.untimed) == (here, None if here else "other_architecture")
    assert report.placement is not None


def test_a_target_of_no_particular_processor_is_timed_everywhere() -> None:
    report = made(mine(), prove=True).report
    assert (report.latency is not None, report.untimed) == (True, None)


@pytest.mark.parametrize(("machine", "away"), [("aarch64", "cpu"), ("x86_64", "cpu_arm"), ("riscv64", "cpu"), ("riscv64", "cpu_arm")])
def test_what_a_model_says_depends_on_the_machine(machine: str, away: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = made(away).model
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert (made_for(model).untimed, made_for(model).optimize) == ("other_architecture", "off")


@pytest.mark.parametrize(
    ("changed", "untimed"),
    [({}, None), ({"architecture": "arm64"}, "other_architecture"), ({"runtime": "none", "architecture": "x86-64"}, "other_runtime")],
)
def test_a_model_of_a_user_s_own_target_says_where_it_runs(
    changed: dict[str, str], untimed: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = made(mine(**changed)).model
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    assert made_for(model).untimed == untimed


@pytest.mark.parametrize("record", ["", "onnxruntime", "onnxruntime any", "x y z"])
def test_a_damaged_record_of_where_a_model_runs_is_no_error(record: str) -> None:
    model = made(mine()).model
    model.metadata_props["edgeq.runs_on"] = record
    assert made_for(model).untimed in (None, "other_runtime", "other_architecture")


@pytest.mark.parametrize("target", ["openvino", "tensorrt"])
def test_models_of_other_runtimes_are_not_timed_in_onnxruntime(target: str) -> None:
    report = made(target, prove=True).report
    assert (report.latency, report.untimed, report.placement) == (None, "other_runtime", None)


@pytest.mark.parametrize("target", ["cpu_arm", "cpu", "openvino"])
def test_the_fastest_model_is_not_searched_on_a_machine_of_another_kind(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64" if target == "cpu" else "x86_64")
    with pytest.raises(BadRecipe, match="times candidates"):
        quantize(conv_net(), samples(), target=target, recipe=Recipe(effort="best", objective="latency"))


def sums() -> onnx.ModelProto:
    """A layer all of whose weights are as large as int8 allows."""
    text = """<ir_version: 8, opset_import: ["": 13]>
net (float[N, 64] x) => (float[N, 4] y) { [fc] y = Gemm(x, k) }"""
    return text_model(text, {"k": np.full((64, 4), 1.0, np.float32)})


@pytest.mark.parametrize("target", ["cpu_arm", "openvino"])
def test_a_comparison_does_not_depend_on_how_this_machine_adds(target: str) -> None:
    """Sums of pairs that saturate in the kernels of x86-64 without VNNI, and not on the target."""
    noise, recipe = np.random.default_rng(0), Recipe(effort="fast")
    model = quantize(
        sums(), {"x": noise.uniform(-1, 1, (64, 64)).astype(np.float32)}, target=eager(target), recipe=recipe, prove=False
    ).model
    assert any(node.op_type == "QuantizeLinear" for node in model.graph)
    signs = np.where(np.arange(64) % 4 < 2, 1.0, -1.0).astype(np.float32)  # equal neighbours; all of them add up to little
    data = noise.uniform(0.8, 0.88, (8, 64)).astype(np.float32) * signs + np.float32(0.1)
    assert compare(sums(), model, {"x": data}).weakest.sqnr_db > 20
