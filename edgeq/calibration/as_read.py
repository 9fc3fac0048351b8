"""Show calibration what the readers of a value see in it: what a Softmax makes 0 tells nothing.

A Softmax over a row x with the largest element t gives exp(x_i - t) / sum_j exp(x_j - t), and the
sum is 1 or more. Elements that lie c or more below t come to at most n exp(-c) together, n being
the length of the row. With

    c = log(n / TOLERATED)

they change no probability by more than TOLERATED, whatever they are. So a grid that ends at t - c
serves the Softmax as well as one that reaches down to a mask of -1e9, and is finer where it counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.patterns.softmax_readers import End, far_ends, softmax_axis
from edgeq.graph.read import graphs
from edgeq.numerics.arrays import F32, AnyArray

#: the change of a probability that is not seen: half a step of the 1/256 that 8-bit Softmax has
TOLERATED = 1 / 512
#: rows whose largest elements are further apart cannot share a grid of 256 codes: its steps were of
#: more than 1/4, each a fifth of a probability. What lies lower is masked as a whole
APART = 64.0
#: stands for whatever lies further out, infinities included, in a value that is far from Softmax
FAR = np.float32(2.0**96)


@dataclass(frozen=True)
class AsRead:
    """How a value is shown to an observer."""

    #: the axis of the Softmax that alone reads it; None: other operators lie between
    axis: int | None
    #: the end at which far numbers are alike
    end: End

    def __call__(self, array: AnyArray, rows_apart: bool) -> AnyArray:
        """The array with numbers that are alike to its readers drawn together; the shape is kept.

        rows_apart: whether the rows of its first axis are samples of their own. NaN stays NaN.
        """
        x = np.asarray(array, np.float32)
        if self.axis is not None and x.ndim and -x.ndim <= self.axis < x.ndim:
            return as_softmax_reads(x, self.axis, rows_apart)
        return np.maximum(x, -FAR) if self.end < 0 else np.minimum(x, FAR)


def as_read(model: ir.Model, names: Iterable[str]) -> Mapping[str, AsRead]:
    """How to show those of the named values that are alike to Softmax at one end."""
    wanted, found = set(names), {}
    for graph in graphs(model):
        for value, end in far_ends(graph).items():
            if end and value.name in wanted:
                found[str(value.name)] = AsRead(softmax_axis(value), end)
    return found


def as_softmax_reads(x: F32, axis: int, rows_apart: bool = False) -> F32:
    """x, raised to what a Softmax along `axis` can tell from 0.

    A row that lies APART or more below the highest row of its sample is raised as a whole.

    >>> as_softmax_reads(np.array([[2.0, 1.0, -1e9]], np.float32), -1).astype(int).tolist()
    [[2, 1, -5]]
    """
    reach = np.float32(math.log(x.shape[axis] / TOLERATED))
    top = x.max(axis, keepdims=True)
    own = tuple(range(1, x.ndim)) if rows_apart and axis % x.ndim else None
    highest = top.max(own, keepdims=True)
    return np.asarray(np.maximum(x, np.where(top < highest - np.float32(APART), highest, top) - reach), np.float32)
