"""The first numbers of a weight, before and after it is stored in few bits, for a picture."""

from __future__ import annotations

from dataclasses import dataclass

from edgeq.numerics.arrays import F32

#: rows and columns that are kept at most
ROWS, COLUMNS = 8, 8

Numbers = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Corner:
    """The upper left corner of a weight as a matrix, whose rows are the first axis."""

    #: rows and columns of the whole matrix
    of: tuple[int, int]
    #: the float weight, with 4 digits
    before: Numbers
    #: what is stored, with 4 digits
    after: Numbers


def corner_of(weight: F32, new: F32) -> Corner:
    """The corner of a weight of any rank and of what it became.

    >>> import numpy as np
    >>> found = corner_of(np.float32([[1.0, 2.00001], [0.3, 0.4]]), np.zeros((2, 2), np.float32))
    >>> found.before
    ((1.0, 2.0), (0.3, 0.4))
    """
    if not weight.size:
        return Corner((0, 0), (), ())
    matrix = weight.reshape(weight.shape[0] if weight.ndim else 1, -1)
    return Corner((matrix.shape[0], matrix.shape[1]), _numbers(matrix), _numbers(new.reshape(matrix.shape)))


def _numbers(matrix: F32) -> Numbers:
    return tuple(tuple(float(f"{number:.4g}") for number in row) for row in matrix[:ROWS, :COLUMNS].tolist())
