"""How the columns of a weight's rows are cut into blocks that share a scale.

A row holds the numbers of (input channels, *spatial), channels first. Blocks run along the input
channels: the columns are taken channels last, so that a block of a convolution holds the same tap
of neighbouring channels; where the channels are no multiple of the block's size, it goes on with
the next tap. The last block of a row is padded with zeros.
"""

from __future__ import annotations

import math

import numpy as np

from edgeq.numerics.arrays import AnyArray


def padded(columns: int, size: int) -> int:
    """The columns of a row once its last block is full.

    >>> padded(27, 16)
    32
    """
    return -(-columns // size) * size


def cut(rows: AnyArray, kernel: tuple[int, ...], size: int) -> AnyArray:
    """Rows [..., K] as blocks [..., B, size]. kernel: the shape of a row.

    >>> cut(np.arange(6), (2, 3), 4).tolist()  # two channels of three taps
    [[0, 3, 1, 4], [2, 5, 0, 0]]
    """
    ends, columns = rows.shape[:-1], math.prod(kernel)
    last = np.swapaxes(rows.reshape(*ends, kernel[0], -1), -1, -2).reshape(*ends, columns)
    spare = padded(columns, size) - columns
    full = np.pad(last, [(0, 0)] * len(ends) + [(0, spare)]) if spare else last
    return full.reshape(*ends, -1, size)


def joined(blocks: AnyArray, kernel: tuple[int, ...]) -> AnyArray:
    """The inverse of cut: rows [..., K] of blocks [..., B, size].

    >>> joined(cut(np.arange(6), (2, 3), 4), (2, 3)).tolist()
    [0, 1, 2, 3, 4, 5]
    """
    ends, columns = blocks.shape[:-2], math.prod(kernel)
    last = blocks.reshape(*ends, -1)[..., :columns].reshape(*ends, -1, kernel[0])
    return np.ascontiguousarray(np.swapaxes(last, -1, -2)).reshape(*ends, columns)


def spread(scales: AnyArray, kernel: tuple[int, ...], size: int) -> AnyArray:
    """The scale of each column [..., K], for scales of blocks [..., B].

    >>> spread(np.array([10, 20]), (2, 3), 4).tolist()
    [10, 10, 20, 10, 10, 20]
    """
    return joined(np.broadcast_to(scales[..., None], (*scales.shape, size)), kernel)
