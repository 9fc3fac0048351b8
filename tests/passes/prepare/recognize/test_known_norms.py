"""Known norms: they are told from samples, and what varies nowhere is none, without a warning."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from edgeq.passes.prepare.recognize.known_norms import known_norm, normalized, samples


def test_a_layer_norm_is_told_from_its_results() -> None:
    given = samples((2, 6))
    found = known_norm(given, [2 * normalized(x, (1,), "layer", 1e-3) + 1 for x in given], (1,), (1,), [1e-5, 1e-3])
    assert found is not None
    assert (found.kind, found.epsilon) == ("layer", 1e-3)
    np.testing.assert_allclose(found.scale, 2.0)
    np.testing.assert_allclose(found.shift, 1.0)


@pytest.mark.parametrize("shape", [(2, 1), (1, 1), (3, 1, 1)])
def test_over_an_axis_of_one_element_nothing_is_a_norm_and_nothing_warns(shape: tuple[int, ...]) -> None:
    """Its samples differ from their mean by nothing, so that no straight line fits them."""
    given = samples(shape)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert known_norm(given, [3 * x for x in given], (len(shape) - 1,), (0,), [1e-5]) is None
