"""Integer kernels that add neighbouring products in int16, and how to keep them from saturating.

On x86-64 without VNNI, VPMADDUBSW multiplies u8 by s8 and adds adjacent pairs into a saturating
int16: 255 (|a| + |b|) <= 32767 must hold for neighbours a, b of one sign. Which codes are
neighbours was measured on onnxruntime's kernels: 2i and 2i+1 along the summed-over dimension, in
the order in which the kernel reads it (channels last at optimization level ALL, channels first at
lower levels). Depthwise kernels with one output per channel are exact; with more outputs the matrix
kernels are used.
"""

from __future__ import annotations

import numpy as np

from edgeq.numerics.arrays import F32, Indices


def neighbours(kernel: tuple[int, ...]) -> tuple[Indices, ...]:
    """Pairs of neighbours in a flattened weight row, as indices [n, 2] for each order of columns.

    kernel: shape of the row, (channels, then spatial sizes), or (K,) for a matrix product.

    >>> [pairs.tolist() for pairs in neighbours((4,))]
    [[[0, 1], [2, 3]]]
    """
    size = int(np.prod(kernel))
    index = np.arange(size).reshape(kernel)
    orders = [index.reshape(-1)]
    if len(kernel) > 1:
        orders.append(np.moveaxis(index, 0, -1).reshape(-1))
    return tuple(order[: size - size % 2].reshape(-1, 2) for order in orders)


def limit_pairs(codes: F32, pairs: tuple[Indices, ...], limit: int) -> F32:
    """Reduce codes [..., K] in place until |a| + |b| <= limit for every pair of one sign.

    Both codes of a pair are reduced alike where possible. Returns codes.
    """
    for group in pairs:
        first, second = codes[..., group[:, 0]], codes[..., group[:, 1]]
        over = np.where(first * second > 0, np.abs(first) + np.abs(second) - limit, 0)
        over = np.maximum(over, 0)
        if not over.any():
            continue
        take = np.clip(np.floor(over / 2), over - np.abs(first), np.abs(second))
        codes[..., group[:, 0]] = first - np.sign(first) * (over - take)
        codes[..., group[:, 1]] = second - np.sign(second) * take
    return codes


def worst_pairs(rows: F32, pairs: tuple[Indices, ...]) -> F32:
    """The largest |a| + |b| over neighbours of one sign in each row: [..., K] -> [...].

    0 without pairs.
    """
    worst = np.zeros(rows.shape[:-1], np.float32)
    for group in pairs:
        first, second = rows[..., group[:, 0]], rows[..., group[:, 1]]
        met = np.where(first * second > 0, np.abs(first) + np.abs(second), 0)
        worst = np.maximum(worst, met.max(-1, initial=0.0))
    return worst


def partners(pairs: tuple[Indices, ...], size: int) -> list[list[int]]:
    """For each index, the indices that it is paired with."""
    found: list[list[int]] = [[] for _ in range(size)]
    for group in pairs:
        for a, b in group.tolist():
            found[a].append(b)
            found[b].append(a)
    return found
