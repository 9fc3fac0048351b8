"""TFLite's layout of ONNX's axes: tensors of rank 4 are stored channels last, others unchanged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgeq.numerics.arrays import AnyArray

#: TFLite's axis -> ONNX's axis
_CHANNELS_LAST = (0, 2, 3, 1)


def order(rank: int) -> tuple[int, ...]:
    """The ONNX axis that each TFLite axis holds."""
    return _CHANNELS_LAST if rank == 4 else tuple(range(rank))


def tflite_shape(shape: Sequence[int]) -> tuple[int, ...]:
    """ONNX shape -> TFLite shape: [N, C, H, W] -> [N, H, W, C]."""
    return tuple(shape[axis] for axis in order(len(shape)))


def tflite_axis(axis: int, rank: int) -> int:
    """ONNX axis -> TFLite axis."""
    return order(rank).index(axis % rank)


def permuted(array: AnyArray) -> AnyArray:
    """A constant in ONNX's layout, copied to TFLite's layout."""
    return np.ascontiguousarray(array.transpose(order(array.ndim)))


def inverse(permutation: Sequence[int]) -> tuple[int, ...]:
    """The inverse permutation."""
    return tuple(int(axis) for axis in np.argsort(permutation))


def keeps_order(shape: Sequence[int], permutation: Sequence[int]) -> bool:
    """Whether a transpose of this shape leaves all elements in place in memory.

    That is the case when only axes of size 1 move.
    """
    moved = [axis for axis in permutation if shape[axis] != 1]
    return moved == sorted(moved)
