"""The result of quantize: how it shows itself, and what can be asked about it."""

from __future__ import annotations

from pathlib import Path

import pytest

import edgeq
from edgeq.data.shipped import shipped_model
from edgeq.errors import BadPlan
from edgeq.report.quantized import Quantized


@pytest.fixture(scope="module")
def made() -> Quantized:
    return edgeq.quantize(shipped_model("digits"), "digits", recipe=edgeq.Recipe(effort="fast", samples=24))


def test_a_result_shows_itself_in_a_line(made: Quantized) -> None:
    assert repr(made).startswith("Quantized('")
    assert "SQNR" in repr(made) and "\n" not in repr(made) and len(repr(made)) < 200


def test_explain_takes_what_quantize_gives(made: Quantized, tmp_path: Path) -> None:
    (node,) = [name for name, one in made.plan.nodes.items() if one.op_type == "Gemm"][:1]
    told = edgeq.explain(made, node)
    (tmp_path / "m.plan.json").write_text(made.plan.to_json(), encoding="utf-8")
    assert told == edgeq.explain(made.plan, node) == edgeq.explain(tmp_path / "m.plan.json", node)
    made.save(tmp_path / "m.onnx")
    assert told == edgeq.explain(tmp_path / "m.onnx", node)
    (tmp_path / "m.plan.json").unlink()
    with pytest.raises(BadPlan, match="no plan beside it"):
        edgeq.explain(tmp_path / "m.onnx", node)


def test_inspect_and_check_ask_about_targets(made: Quantized) -> None:
    foreseen = {node.name for node in edgeq.inspect(shipped_model("digits")).nodes if node.runs == "float"}
    assert foreseen == {name for name, node in made.plan.nodes.items() if node.runs == "float"}
    assert edgeq.check(made.model, "cpu") == ()
    assert {one.rule for one in edgeq.check(made.model, "mcu_tflite")}
