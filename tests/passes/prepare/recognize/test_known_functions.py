"""Functions of one number are recognized, or not, whatever numbers come up on the way."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from edgeq.passes.prepare.recognize.known_functions import known_function, sample_points


@pytest.mark.parametrize("scale", [1e36, 1e40, 1e300])
@pytest.mark.parametrize("shape", ["line", "leaky", "elu", "steep", "bounded"])
def test_large_functions_are_looked_at_in_silence(scale: float, shape: str) -> None:
    """Numbers beyond float32 are no attributes, and nobody is warned of them."""
    x = sample_points([1.0])
    with np.errstate(all="ignore"):
        shapes = {"line": scale * x, "leaky": np.where(x < 0, scale * x, x), "bounded": np.minimum(x, 8) * scale}
        y = {**shapes, "elu": np.where(x < 0, scale * np.expm1(x), x), "steep": np.clip(scale * x, 0, 1)}[shape]
    with warnings.catch_warnings(action="error"):
        found = known_function(x, y)
    attributes = [] if found is None else [value for step in found.steps for value in step.attributes.values()]
    assert all(np.isfinite(value) for value in attributes if isinstance(value, float))
    if shape == "leaky":
        assert (found is None) == (scale > 3e38)
