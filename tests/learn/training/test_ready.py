"""What cannot be trained is said before anything is quantized."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch", reason="torch (extra [learn]) is not installed")

import edgeq  # noqa: E402
from edgeq.data.open import open_dataset  # noqa: E402
from edgeq.errors import BadData, EdgeqError, UnsupportedOp  # noqa: E402
from edgeq.graph.signature import input_specs  # noqa: E402
from edgeq.io.load import load_proto  # noqa: E402
from edgeq.learn.simulation.executor import Executor  # noqa: E402
from edgeq.learn.training.ready import check_ready  # noqa: E402

HEAD = '<ir_version: 9, opset_import: ["": 18]> net (float[N, 8] x) => (float[N, 8] y) <float[8, 8] w, int64[2] s = {-1, 8}> '


def model(body: str) -> onnx.ModelProto:
    proto = onnx.parser.parse_model(HEAD.replace("<float[8, 8] w, ", "<") + body)
    proto.graph.initializer.append(onnx.numpy_helper.from_array(np.random.default_rng(0).normal(size=(8, 8)).astype(np.float32), "w"))
    return proto


def data(count: int = 10) -> dict[str, np.ndarray]:
    return {"x": np.random.default_rng(1).normal(size=(count, 8)).astype(np.float32)}


def refused(body: str, monkeypatch: pytest.MonkeyPatch, count: int = 10, **tuning: object) -> EdgeqError:
    """The error of a run whose quantizing must not begin."""

    def begins(*_: object, **__: object) -> None:
        pytest.fail("quantizing began")

    monkeypatch.setattr("edgeq.api.decide", begins)
    recipe = edgeq.Recipe.model_validate({"finetune": {"epochs": 1, **tuning}})
    with pytest.raises(EdgeqError) as caught:
        edgeq.quantize(model(body), data(count), recipe=recipe)
    assert caught.value.exit_code == 2
    return caught.value


def test_an_operator_that_torch_cannot_run(monkeypatch: pytest.MonkeyPatch) -> None:
    found = refused("{ a = MatMul(x, w)  y = Softplus(a) }", monkeypatch)
    assert isinstance(found, UnsupportedOp)
    assert "Softplus" in found.what


def test_a_second_output_that_torch_cannot_compute(monkeypatch: pytest.MonkeyPatch) -> None:
    found = refused("{ k = Constant<value = int64[1] {8}>()  a = MatMul(x, w)  y, i = TopK<axis = 1>(a, k) }", monkeypatch)
    assert "TopK" in found.what


def test_a_form_of_an_operator_that_torch_cannot_run(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = "".join(f"{name} = Constant<value = int64[1] {{{number}}}>()  " for name, number in (("b", -1), ("e", -99), ("i", 1), ("t", -1)))
    found = refused(f"{{ {ends} a = MatMul(x, w)  y = Slice(a, b, e, i, t) }}", monkeypatch)
    assert found.what.startswith("Slice with negative steps")


def test_too_few_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(refused("{ y = MatMul(x, w) }", monkeypatch, count=3), BadData)


def test_labels_that_the_data_does_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no class labels" in refused("{ y = MatMul(x, w) }", monkeypatch, labels=0.5).what


@pytest.mark.parametrize("flag", ["", "<allowzero = 1>"])
def test_a_reshape_without_a_zero_is_ready_whatever_allowzero_says(flag: str) -> None:
    loaded = load_proto(model(f"{{ a = MatMul(x, w)  y = Reshape{flag}(a, s) }}"))
    dataset = open_dataset(data(), input_specs(loaded.model))
    check_ready(loaded.model, dataset, edgeq.Recipe.model_validate({"finetune": {"epochs": 1}}).finetune)


def test_a_zero_with_allowzero_is_a_size() -> None:
    head = '<ir_version: 9, opset_import: ["": 18]> net (float[N, 0, 4] x) => (float[0, M] y) '
    text = head + "{ s = Constant<value = int64[2] {0, 6}>()  y = Reshape<allowzero = 1>(x, s) }"
    executor = Executor(load_proto(onnx.parser.parse_model(text)).model)
    assert tuple(executor.forward({"x": torch.zeros(3, 0, 4)})["y"].shape) == (0, 6)
