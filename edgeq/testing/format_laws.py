"""The laws of number formats: what every format of weights is held to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edgeq.numerics.arrays import F32, F64
from edgeq.numerics.formats.format import Format, Inputs, Room, Stored
from edgeq.numerics.rounding.factors import DAMPING
from edgeq.numerics.rounding.half_matrix import HalfMatrix
from edgeq.numerics.saturation import neighbours, worst_pairs
from edgeq.testing.law import Law

#: float32 rounds a product of scales and an element to this share of itself
ROUNDING = 2.0**-21


@dataclass(frozen=True, eq=False)
class LawWeight:
    """A weight to hold formats to."""

    about: str
    #: [G, C, K]
    rows: F32
    kernel: tuple[int, ...]


def check_format(format: Format, *weights: LawWeight) -> None:
    """Hold a number format to the laws of formats.

    1. It has a name, 1 to 8 bits, a scale at one level at least, and no more nominal bits than its
       elements and scales have together.
    2. A fitted weight is finite, has one array of scales for each level, and its elements are some
       that rounding may choose.
    3. Elements times steps are the weight's numbers, to the rounding of float32.
    4. With int8 compute, the numbers are int8 codes times the scale of their channel, and no two
       neighbours exceed the limit that they are given; with float compute there are no such codes.
    5. Those codes, encoded, are the same codes and the same bytes again.
    6. The same weight gives the same numbers again, and is not changed.
    7. Zeros stay zeros, and a row's numbers do not depend on other rows, unless the whole weight
       shares a scale or a table.
    8. Under a damped moment, the error of all rows is not larger than that of the nearest elements,
       to a fiftieth: rounding weighs with a little more or less damping.
    9. The bytes are at least those of the nominal bits.

    weights: to hold it to; default: `law_weights()`. Raises AssertionError with the number of the
    law and how it was broken.

    >>> from edgeq.numerics.formats.table import parse_format
    >>> from edgeq.testing import check_format
    >>> check_format(parse_format("int4"))
    """
    law = Law("formats")
    together = format.bits + sum(level.bits for level in format.levels)
    words = bool(format.name) and 1 <= format.bits <= 8 and bool(format.levels)
    law.holds(1, "a name, bits and scales", words and format.bits <= format.nominal_bits <= together, repr(format))
    for one in weights or law_weights():
        _check(law, format, one)


def _check(law: Law, format: Format, one: LawWeight) -> None:
    before, how = one.rows.tobytes(), f"{format.name} of {one.about}"
    stored = format.fit(one.rows, None, one.kernel)
    law.holds(6, "weights are not changed", before == one.rows.tobytes(), how)
    _check_numbers(law, format, one, stored, how)
    _check_codes(law, format, one, stored, how)
    again = format.fit(one.rows.copy(), None, one.kernel)
    law.holds(6, "the same again", np.array_equal(again.real, stored.real), how)
    zeros = ~np.any(one.rows, axis=-1)
    law.holds(7, "zeros stay zeros", not np.any(stored.real[zeros]), how)
    alone = format.fit(one.rows[:, :1], None, one.kernel).real
    together = any(level.shared_by == "tensor" for level in format.levels)
    law.holds(7, "rows do not depend on each other", together or np.array_equal(alone, stored.real[:, :1]), how)
    moment = _moment(one.rows)
    with_data = format.fit(one.rows, Inputs(HalfMatrix.of(moment)), one.kernel)
    nearest = _rounded_to_nearest(format, one, with_data)
    errors = [np.einsum("gck,gkl,gcl->gc", rest, moment, rest) for rest in (one.rows - with_data.real, one.rows - nearest)]
    law.holds(8, "not worse under a moment", bool(errors[0].sum() <= errors[1].sum() * 1.02 + 1e-30), how)
    law.holds(9, "bytes of the nominal bits", 8 * stored.nbytes >= format.nominal_bits * one.rows.size, f"{stored.nbytes} bytes, {how}")


def _check_numbers(law: Law, format: Format, one: LawWeight, stored: Stored, how: str) -> None:
    words = "finite, and as many scales as levels"
    law.holds(2, words, bool(np.isfinite(stored.real).all()) and len(stored.scales) == len(format.levels), how)
    law.holds(2, words, stored.elements.shape == stored.real.shape == one.rows.shape, how)
    codes = format.allowed(stored)
    for column in range(one.rows.shape[2]):
        own = stored.elements[..., column]
        law.holds(
            2, "elements that rounding may choose", np.array_equal(codes.nearest(own, -np.inf, np.inf), own), f"column {column}, {how}"
        )
    product = stored.elements.astype(np.float64) * format.steps(stored.scales, one.kernel)
    close = np.abs(product - stored.real) <= ROUNDING * np.abs(product)
    law.holds(3, "elements times steps", bool(close.all()), how)


def _check_codes(law: Law, format: Format, one: LawWeight, stored: Stored, how: str) -> None:
    grid = format.codes8(stored)
    law.holds(4, "int8 codes where compute is int8", (grid is not None) == (format.compute == "int8"), how)
    if grid is None:
        return
    whole = np.array_equal(np.rint(grid.codes), grid.codes) and (not grid.codes.size or np.abs(grid.codes).max() <= 128)
    law.holds(4, "int8 codes times a scale", whole and np.array_equal(grid.codes * grid.scale[..., None], stored.real), how)
    encoded = format.encoded(grid, one.kernel)
    same = encoded is not None and np.array_equal(encoded.real, stored.real) and encoded.nbytes == stored.nbytes
    law.holds(5, "encoded again", same, how)
    pairs, limit = neighbours(one.kernel), 128
    bounded = format.codes8(format.fit(one.rows, None, one.kernel, Room(pairs=pairs, limit=limit)))
    assert bounded is not None
    law.holds(4, "neighbours within the limit", bool(np.all(worst_pairs(bounded.codes, pairs) <= limit)), how)


def _rounded_to_nearest(format: Format, one: LawWeight, stored: Stored) -> F32:
    """The nearest numbers with the scales of `stored`."""
    steps = format.steps(stored.scales, one.kernel)
    nearest = format.allowed(stored).all_nearest(one.rows / steps)
    return format.real(Stored(format, one.kernel, nearest, stored.scales))


def _moment(rows: F32) -> F64:
    """A moment [G, K, K] of inputs that move together in part."""
    inputs = np.random.default_rng(3).normal(size=(rows.shape[0], 4 * rows.shape[2] + 8, rows.shape[2]))
    inputs += inputs.mean(-1, keepdims=True) * 4
    moment = np.asarray(np.swapaxes(inputs, 1, 2) @ inputs / inputs.shape[1], np.float64)
    damping = DAMPING * float(moment.diagonal(axis1=1, axis2=2).mean())
    return np.asarray(moment + damping * np.eye(rows.shape[2]), np.float64)


def law_weights() -> tuple[LawWeight, ...]:
    """The weights that check_format tries by default: matrices, convolutions and groups, of widths
    that are and are not multiples of blocks; rows of zeros, and of very different sizes.

    >>> from edgeq.testing.format_laws import law_weights
    >>> len({one.about for one in law_weights()})
    8
    """
    return tuple(_weights())


def _weights() -> Iterator[LawWeight]:
    chance = np.random.default_rng(0)
    for about, groups, outputs, kernel in (
        ("a matrix", 1, 6, (64,)),
        ("a matrix of odd width", 1, 3, (37,)),
        ("a convolution", 1, 4, (32, 3, 3)),
        ("a convolution of few channels", 1, 4, (3, 3, 3)),
        ("a grouped convolution", 2, 3, (16, 3)),
        ("a depthwise convolution", 5, 1, (1, 3, 3)),
    ):
        rows = chance.standard_t(4, size=(groups, outputs, int(np.prod(kernel)))) * 0.05
        yield LawWeight(about, rows.astype(np.float32), kernel)
    sizes = np.array([0.0, 1e-12, 1e-3, 1.0, 1e6])[None, :, None]
    yield LawWeight("rows of very different sizes", (chance.normal(size=(1, 5, 48)) * sizes).astype(np.float32), (48,))
    wide = chance.normal(size=(1, 4, 64)) * np.exp2(chance.integers(-12, 1, (1, 4, 64)))
    yield LawWeight("numbers of very different sizes", wide.astype(np.float32), (64,))
