"""SplitPower: powers as products, roots and reciprocals."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.passes.lower.split_power import SplitPower
from edgeq.testing.pass_laws import check_pass
from tests.graph_text import lines, net

FEEDS = {"x": np.linspace(0.25, 4, 8, dtype=np.float32).reshape(2, 4)}


@pytest.mark.parametrize(
    ("exponent", "made"),
    [
        (2.0, ["y = Mul(x, x)"]),
        (3.0, ["pow_square = Mul(x, x)", "y = Mul(pow_square, x)"]),
        (0.5, ["y = Sqrt(x)"]),
        (-0.5, ["pow_root = Sqrt(x)", "y = Reciprocal(pow_root)"]),
        (-1.0, ["y = Reciprocal(x)"]),
    ],
)
def test_powers(exponent: float, made: list[str]) -> None:
    model = net("[pow] y = Pow(x, e)", inputs="float[2, 4] x", constants={"e": np.float32(exponent)})
    assert lines(check_pass(SplitPower(), model, feeds=FEEDS)) == made


@pytest.mark.parametrize("exponent", [np.float32(1.7), np.array([2, 3, 2, 2], np.float32), np.full((1, 1, 1), 2, np.float32)])
def test_other_exponents_stay(exponent: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> None:
    model = net("[pow] y = Pow(x, e)", inputs="float[2, 4] x", constants={"e": exponent}, outputs="float y")
    assert not SplitPower()(model).modified


def test_keeps_what_it_is_told_to_keep() -> None:
    model = net("[pow] y = Pow(x, e)", inputs="float[2, 4] x", constants={"e": np.float32(2)})
    assert not SplitPower(frozenset({"pow"}))(model).modified
