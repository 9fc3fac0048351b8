"""Tests that the code at the end of a report runs: for every target, in every form, with names that
are no identifiers, and inputs of the types and shapes that it says, in this process.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import onnx.helper
import pytest

import edgeq
from edgeq.numerics.arrays import AnyArray
from edgeq.report.quantized import Quantized
from edgeq.report.snippet import snippet, variables
from edgeq.schema.target import load_target, shipped_targets
from tests.small_models import text_model

NAMES = {"a": "image:0", "b": "image.0", "c": "class"}
IMAGES = """<ir_version: 8, opset_import: ["": 14]>
net (float[N, 3, 8, 6] a, float[N, 3, 8, 6] b, float[N, 4] c) => (float[N, 4] y) {
  [one] p = Conv<pads=[1, 1, 1, 1]>(a, w)
  [two] q = Conv<pads=[1, 1, 1, 1]>(b, w)
  [sum] s = Add(p, q)
  [mean] g = GlobalAveragePool(s)
  [flat] f = Flatten(g)
  [fc] m = MatMul(c, k)
  [end] y = Add(f, m)
}"""
WORDS = """<ir_version: 8, opset_import: ["": 14]>
net (int64[N, 5] tokens) => (float[N, 5, 4] y) {
  [table] e = Gather(t, tokens)
  [fc] y = MatMul(e, k)
}"""


def images() -> onnx.ModelProto:
    """Three inputs, none of whose names Python takes as it is."""
    rng = np.random.default_rng(2)
    weights = {"w": rng.normal(0, 0.3, (4, 3, 3, 3)).astype(np.float32), "k": rng.normal(0, 0.5, (4, 4)).astype(np.float32)}
    proto = text_model(IMAGES, weights)
    for one in proto.graph.input:
        for node in proto.graph.node:
            node.input[:] = [NAMES[one.name] if name == one.name else name for name in node.input]
        one.name = NAMES[one.name]
    return proto


@dataclass(frozen=True)
class Made:
    """A quantized model and the file that holds it."""

    result: Quantized
    path: Path


def quantized(folder: Path, proto: onnx.ModelProto, arrays: dict[str, AnyArray], target: str, suffix: str) -> Made:
    onnx.save(proto, folder / "model.onnx")
    np.savez(folder / "data.npz", **arrays)
    result = edgeq.quantize(folder / "model.onnx", folder / "data.npz", target=target, prove=False)
    result.save(folder / f"out{suffix}")
    return Made(result, folder / f"out{suffix}")


def run(code: str) -> list[AnyArray]:
    space: dict[str, object] = {}
    exec(compile(code, "snippet", "exec"), space)
    return space["outputs"]  # type: ignore[return-value]  # what the code leaves there


IMAGE_DATA = {
    "image:0": np.random.default_rng(0).normal(size=(24, 3, 8, 6)).astype(np.float32),
    "image.0": np.random.default_rng(1).normal(size=(24, 3, 8, 6)).astype(np.float32),
    "class": np.random.default_rng(2).normal(size=(24, 4)).astype(np.float32),
}


@pytest.mark.parametrize("target", shipped_targets())
@pytest.mark.filterwarnings("ignore:Specified provider")
def test_the_code_runs_on_every_target(target: str, tmp_path: Path) -> None:
    made = quantized(tmp_path, images(), IMAGE_DATA, target, ".onnx")
    code, provider = snippet(made.result.report, str(made.path)), load_target(target).provider
    assert ("Provider" in code) == (provider is not None)
    assert provider is None or provider.name in code
    if provider is not None and provider.package is not None and not find_spec(provider.package):
        pytest.skip(f"{provider.package} is not installed")
    (output,) = run(code)
    assert output.shape == (1, 4)


@pytest.mark.parametrize("target", ["mcu_tflite", "dsp_int8", "cpu"])
def test_the_code_runs_for_a_tflite_file(target: str, tmp_path: Path) -> None:
    """The shapes are those of the file: channels last, one sample; codes are int8 there."""
    pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed")
    arrays = {"image": np.random.default_rng(0).normal(size=(24, 3, 8, 6)).astype(np.float32)}
    net = (
        IMAGES.partition("net")[0]
        + """net (float[N, 3, 8, 6] image) => (float[N, 4, 8, 6] y) {
  [one] p = Conv<pads=[1, 1, 1, 1]>(image, w)
  [two] r = Relu(p)
  [three] y = Conv(r, v)
}"""
    )
    weights = {
        "w": np.linspace(-1, 1, 108, dtype=np.float32).reshape(4, 3, 3, 3),
        "v": np.linspace(-1, 1, 16, dtype=np.float32).reshape(4, 4, 1, 1),
    }
    made = quantized(tmp_path, text_model(net, weights), arrays, target, ".tflite")
    code = snippet(made.result.report, str(made.path))
    assert "[1, 8, 6, 3]" in code
    (output,) = run(code)
    assert output.shape == (1, 8, 6, 4)


def test_the_code_runs_for_indices_in_a_tflite_file(tmp_path: Path) -> None:
    """Tokens are int32 there."""
    pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed")
    rng = np.random.default_rng(4)
    weights = {"t": rng.normal(size=(16, 8)).astype(np.float32), "k": rng.normal(size=(8, 4)).astype(np.float32)}
    made = quantized(tmp_path, text_model(WORDS, weights), {"tokens": rng.integers(0, 16, (24, 5))}, "mcu_tflite", ".tflite")
    code = snippet(made.result.report, str(made.path))
    assert "tokens: int32 [1, 5]" in code
    (output,) = run(code)
    assert output.shape == (1, 5, 4)


def test_variables_are_different_and_usable() -> None:
    names = ["a", "a:0", "a.0", "a_0", "9", "class", "options", "größe", "", "\n"]
    made = variables(names)
    assert len(set(made)) == len(names)
    assert made[0] == "a"
    for one in made:
        compile(f"{one} = 1", "variable", "exec")
