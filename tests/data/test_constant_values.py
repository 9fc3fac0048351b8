"""Values that were one number: the inputs behind each are found, however long the way to them."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.data import constant_values
from edgeq.data.constant_values import constant_doubts
from edgeq.data.dataset import Dataset
from edgeq.data.open import open_dataset
from edgeq.graph.signature import input_specs
from tests.graph_text import net

#: two constant inputs, one that varies, and values behind none, one and both of the former
BODY = "[a] s = Add(x, c) [b] t = Mul(s, d) [e] u = Add(t, s) [f] v = Relu(x) [g] y = Add(u, v)"


def surveyed(model, **inputs: np.ndarray) -> Dataset:  # type: ignore[no-untyped-def]
    data = open_dataset(inputs, input_specs(model))
    for _ in data.batches(1):
        pass
    return data


def test_values_are_grouped_by_the_constant_inputs_behind_them() -> None:
    model = net(BODY, inputs="float[N, 4] x, float[N, 4] c, float[N, 4] d")
    varied = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    data = surveyed(model, x=varied, c=np.full((5, 4), 2, np.float32), d=np.full((5, 4), 3, np.float32))
    lines = [one.text for one in constant_doubts(model, dict.fromkeys("stuvy", 1.0), data, integer_only=False)]
    assert len(lines) == 3
    assert any("`s` (1)" in line and "input `c` was" in line for line in lines)
    assert any("`t` (1), `u` (1), `y` (1)" in line and "input `c` and `d` was" in line for line in lines)
    assert any("Value `v` (1) was constant in all of the data: " in line for line in lines)


@pytest.mark.parametrize("length", [50, 200])
def test_a_chain_is_gone_through_once(length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    body = "v0 = Add(x, c) " + " ".join(f"v{i} = Relu(v{i - 1})" for i in range(1, length)) + f" y = Relu(v{length - 1})"
    model = net(body, inputs="float[N, 4] x, float[N, 4] c")
    data = surveyed(model, x=np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32), c=np.ones((5, 4), np.float32))
    looked: list[int] = []

    class Counted(dict):  # type: ignore[type-arg]
        def __contains__(self, value: object) -> bool:
            looked.append(0)
            return super().__contains__(value)

    behind = constant_values._behind
    found: Counted = Counted()
    monkeypatch.setattr(constant_values, "_behind", lambda value, still, _found: behind(value, still, found))
    (doubt,) = constant_doubts(model, {f"v{i}": 0.0 for i in range(length)}, data, integer_only=False)
    assert "input `c` was" in doubt.text
    assert len(looked) < 12 * length
