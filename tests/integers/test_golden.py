"""Golden vectors: one entry a sample, whatever the rank of an input."""

from __future__ import annotations

import numpy as np

import edgeq
from edgeq.data.given.gather import gathered
from edgeq.data.open import open_dataset
from edgeq.graph.signature import input_specs
from edgeq.integers.golden import golden_vectors
from tests.graph_text import net


def test_inputs_of_rank_0_and_1_have_one_code_a_sample() -> None:
    """They have no axis of samples: each sample is a run."""
    model = net("[a] y = Add(x, row)", inputs="float x, float[3] row", outputs="float[3] y")
    data = [{"x": np.float32(step), "row": np.arange(3, dtype=np.float32) - step} for step in range(8)]
    made = edgeq.quantize(model, data, target="npu_int8", prove=False, data_doubts="accept").model
    dataset = open_dataset(gathered(data, None, None), input_specs(model))
    found = golden_vectors(made, dataset, 2)
    assert found["in_x"].shape == (2,)
    assert found["in_x"][0] != found["in_x"][1]
