"""Integer kernels that add neighbouring products in int16, and how to keep them from saturating.

On x86-64 without VNNI, VPMADDUBSW multiplies u8 by s8 and adds adjacent pairs into a saturating
int16: 255 (|a| + |b|) <= 32767 must hold for neighbours a, b of one sign. Which codes are
neighbours was measured on onnxruntime's kernels: 2i and 2i+1 along the summed-over dimension, in
the order in which the kernel reads it (channels last at optimization level ALL, channels first at
lower levels). Depthwise kernels with one output per channel are exact; with more outputs the matrix
kernels are used.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgeq.numerics.arrays import F32, Indices

#: numbers that are looked at together
AT_ONCE = 1 << 16


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
    rows = codes.reshape(-1, codes.shape[-1])
    for part in _blocks(rows):
        for group in pairs:
            first, second = _sides(part, group)
            over = np.nonzero(np.abs(first + second) > limit)  # few: signs and shares are found for these alone
            if over[0].size:
                one, other = first[over], second[over]
                more = np.where(one * other > 0, np.abs(one) + np.abs(other) - limit, 0)
                take = np.clip(np.floor(more / 2), more - np.abs(one), np.abs(other))
                part[over[0], group[over[1], 0]] = one - np.sign(one) * (more - take)
                part[over[0], group[over[1], 1]] = other - np.sign(other) * take
    if not np.shares_memory(rows, codes):  # such as a transposed view
        codes[...] = rows.reshape(codes.shape)
    return codes


def worst_pairs(rows: F32, pairs: tuple[Indices, ...]) -> F32:
    """The largest |a| + |b| over neighbours of one sign in each row: [..., K] -> [...].

    0 without pairs.
    """
    flat = rows.reshape(-1, rows.shape[-1])
    worst = [np.zeros(0, np.float32)]
    for part in _blocks(flat):
        found = np.zeros(len(part), np.float32)
        for first, second in (_sides(part, group) for group in pairs):
            met = np.abs(first + second)  # |a| + |b| where both have one sign
            met *= first * second > 0
            np.maximum(found, met.max(-1, initial=0.0), out=found)
        worst.append(found)
    return np.asarray(np.concatenate(worst).reshape(rows.shape[:-1]), np.float32)


def _blocks(rows: F32) -> Iterator[F32]:
    """Views of some rows each [n, K], which stay in a core's cache."""
    step = max(1, AT_ONCE // max(rows.shape[1], 1))
    return (rows[start : start + step] for start in range(0, len(rows), step))


def _sides(rows: F32, group: Indices) -> tuple[F32, F32]:
    """The first and the second number of each pair: views where pairs lie side by side."""
    size = len(group)
    if size and group[0, 0] == 0 and np.array_equal(group.reshape(-1), np.arange(2 * size)):
        return rows[:, : 2 * size : 2], rows[:, 1 : 2 * size : 2]
    return rows[:, group[:, 0]], rows[:, group[:, 1]]


def partners(pairs: tuple[Indices, ...], size: int) -> list[list[int]]:
    """For each index, the indices that it is paired with."""
    found: list[list[int]] = [[] for _ in range(size)]
    for group in pairs:
        for a, b in group.tolist():
            found[a].append(b)
            found[b].append(a)
    return found
