"""Functions of one number that have operators, and how they are told from samples of a function."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir

from edgeq.graph.patterns.numpy_forms import gelu
from edgeq.graph.read import is_op
from edgeq.numerics.arrays import F64

#: largest difference, relative to 1 + |x|: constants of six digits (0.797885, 0.166667) pass, the
#: two forms of GELU are told apart
TOLERANCE = 2e-5
#: the same relative to the wanted value, where that is small, and the rounding of float64: a small
#: number that is added (log(sigmoid(x) + 1e-6)) is part of another function
_OF_VALUE, _ROUNDING = 1e-3, 1e-9
#: what straight lines may be off at 0
_LEAST = 1e-12
#: beyond this, functions that contain exp may overflow, in float32 as well
_RANGE = 80.0
#: the least slope of a HardSigmoid, so that samples lie on it
_INNER = (0.02, 0.98)
#: the first opsets that have these operators
_HARD_SWISH, _GELU = 14, 20


@dataclass(frozen=True)
class Step:
    """One node of a function: it reads the result of the step before, or x at first."""

    op_type: str
    #: float and string attributes by name
    attributes: dict[str, float | str] = field(default_factory=dict)
    #: bounds of a Clip; None: not bounded on this side
    bounds: tuple[float | None, float | None] = (None, None)
    #: whether it multiplies the step before by x
    by_x: bool = False


@dataclass(frozen=True)
class KnownFunction:
    """A function and the operators that compute it."""

    steps: tuple[Step, ...]
    #: the first opset that has them
    opset: int = 13
    #: whether it rises from 0 to 1, in one straight line, with bounds that a layer could take up
    saturates: bool = False
    #: whether it consists of straight lines, with numbers that are read off the samples
    straight: bool = False


def beyond(opset: int, nodes: Iterable[ir.Node]) -> bool:
    """Whether the nodes may make up a function whose operator comes with a later opset.

    Up to opset 13 any may be one: HardSwish consists of straight lines and products. After it there
    is GELU alone, which no operators compute without one that has a curve beyond powers.
    """
    if opset < _HARD_SWISH:
        return True
    return opset < _GELU and any(is_op(node, "Erf", "Tanh", "Exp", "Sigmoid", "Softplus", "Pow", "Elu") for node in nodes)


def sample_points(constants: list[float]) -> F64:
    """Points at which a function is compared: dense around 0, wide, and around its constants."""
    wide = np.concatenate([np.geomspace(1e-3, _RANGE, 120), [1e3, 1e4]])
    bends = [factor * c for c in constants if np.isfinite(c) and c != 0 for factor in (0.5, 1.0, 1.5, 2.0, 10.0)]
    far = np.array([b for b in bends if abs(b) < 1e6])
    return np.unique(np.concatenate([np.linspace(-12, 12, 1201), wide, -wide, far, -far]))


def known_function(x: F64, y: F64) -> KnownFunction | None:
    """The function that gives y at x; None where it is none of these.

    x: float64 [points] from sample_points. y: float64 [points], where it may overflow beyond 80.
    """
    finite = np.isfinite(y)
    if not finite[np.abs(x) <= _RANGE].all():
        return None
    x, y = x[finite], y[finite]
    with np.errstate(all="ignore"):  # candidates overflow where y, read as theirs, is large
        return next((function for function, wanted in _candidates(x, y) if _agrees(x, y, wanted, function)), None)


def _agrees(x: F64, y: F64, wanted: F64, function: KnownFunction) -> bool:
    """Whether the function gives y; straight lines, with numbers read off y, up to rounding."""
    numbers = [value for step in function.steps for value in step.attributes.values() if isinstance(value, float)]
    numbers += [_float32(bound) for step in function.steps for bound in step.bounds if bound is not None]
    if not np.isfinite(numbers).all():  # beyond float32
        return False
    loose = np.minimum(TOLERANCE * (1 + np.abs(x)), _OF_VALUE * np.abs(wanted) + _ROUNDING)
    allowed = _ROUNDING * np.abs(x) + _LEAST if function.straight else loose
    return bool((np.abs(wanted - y) <= allowed).all())


def _candidates(x: F64, y: F64) -> Iterator[tuple[KnownFunction, F64]]:
    """Functions with their parameters as y suggests them, and their values; the simplest first."""
    yield KnownFunction((Step("Relu"),), straight=True), np.maximum(x, 0)
    yield from _clips(x, y)
    yield from _leaky(x, y)
    yield from _hard_sigmoids(x, y)
    yield KnownFunction((Step("Abs"),), straight=True), np.abs(x)
    yield KnownFunction((Step("HardSwish"),), opset=_HARD_SWISH), x * np.clip(x / 6 + 0.5, 0, 1)
    sigmoid, softplus = 1 / (1 + np.exp(-x)), np.logaddexp(x, 0)
    yield _one("Sigmoid"), sigmoid
    yield _one("Tanh"), np.tanh(x)
    yield _one("Softplus"), softplus
    yield KnownFunction((Step("Sigmoid"), Step("Mul", by_x=True))), x * sigmoid
    yield KnownFunction((Step("Softplus"), Step("Tanh"), Step("Mul", by_x=True))), x * np.tanh(softplus)
    if abs(_at(x, y, 1.0) - 0.841) < 1e-2:  # the error function is slow in numpy
        yield KnownFunction((Step("Gelu", {"approximate": "none"}),), opset=_GELU), np.asarray(gelu(x, by_tanh=False))
        yield KnownFunction((Step("Gelu", {"approximate": "tanh"}),), opset=_GELU), np.asarray(gelu(x, by_tanh=True))
    alpha = -_at(x, y, -30.0)
    yield KnownFunction((Step("Elu", {"alpha": _float32(alpha)}),)), np.where(x < 0, alpha * np.expm1(np.minimum(x, 0)), x)


def _one(op_type: str) -> KnownFunction:
    return KnownFunction((Step(op_type),))


def _at(x: F64, y: F64, where: float) -> float:
    return float(np.interp(where, x, y))


def _clips(x: F64, y: F64) -> Iterator[tuple[KnownFunction, F64]]:
    low, high = (None if y[0] == x[0] else float(y[0])), (None if y[-1] == x[-1] else float(y[-1]))
    flat = (low is None or y[1] == y[0]) and (high is None or y[-2] == y[-1])
    if not flat or (low is None and high is None) or (low is not None and high is not None and low >= high):
        return
    yield KnownFunction((Step("Clip", bounds=(low, high)),), straight=True), np.clip(x, low, high)


def _leaky(x: F64, y: F64) -> Iterator[tuple[KnownFunction, F64]]:
    alpha = -_at(x, y, -1.0)
    if alpha != 1.0:
        yield KnownFunction((Step("LeakyRelu", {"alpha": _float32(alpha)}),), straight=True), np.where(x < 0, alpha * x, x)


def _hard_sigmoids(x: F64, y: F64) -> Iterator[tuple[KnownFunction, F64]]:
    inner = np.flatnonzero((y > _INNER[0]) & (y < _INNER[1]))
    if y[0] != 0 or abs(y[-1] - 1) > 1e-6 or len(inner) < 2:
        return
    first, last = inner[0], inner[-1]
    alpha = float((y[last] - y[first]) / (x[last] - x[first]))
    beta = float(y[first] - alpha * x[first])
    found = Step("HardSigmoid", {"alpha": _float32(alpha), "beta": _float32(beta)})
    yield KnownFunction((found,), saturates=True), np.clip(alpha * x + beta, 0, 1)


def _float32(number: float) -> float:
    """The number as attributes hold it, without the digits that only rounding left."""
    return float(np.float32(float(f"{number:.9g}")))
