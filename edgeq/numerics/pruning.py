"""Which weights to set to 0: a share of them, or all but N of every M neighbours.

The least important go first, by magnitude or by what they add to the output.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from edgeq.numerics.arrays import F32, F64, Mask

_PATTERN = re.compile(r"(\d+):(\d+)")


@dataclass(frozen=True)
class Prune:
    """How much to prune: a share of a weight, or all but N of every M neighbours."""

    #: the share that becomes 0
    ratio: float = 0.0
    #: (N, M): keep N of every M neighbours along a row, whatever the ratio
    pattern: tuple[int, int] | None = None


def parse_prune(word: str) -> Prune:
    """Read a share such as 0.5, or N:M such as 2:4.

    Raises ValueError for any other word.

    >>> parse_prune("0.5")
    Prune(ratio=0.5, pattern=None)
    >>> parse_prune("2:4")
    Prune(ratio=0.0, pattern=(2, 4))
    """
    match = _PATTERN.fullmatch(word.strip())
    if match:
        keep, among = int(match[1]), int(match[2])
        if 0 < keep < among:
            return Prune(pattern=(keep, among))
    else:
        try:
            ratio = float(word)
        except ValueError:
            ratio = -1.0
        if 0 < ratio < 1:
            return Prune(ratio)
    raise ValueError("prune is a share between 0 and 1, or N:M with N below M: keep N of every M")


def kept_weights(rows: F32, importance: F64 | None, prune: Prune) -> Mask:
    """Which weights of rows [G, C, K] stay: a mask of the same shape.

    importance [G, K]: the diagonal of the input's second moment; None: by magnitude alone. The
    saliency w^2 h is what a weight adds to the output's mean square: LeCun et al., Optimal Brain
    Damage, 1990. A ratio applies to the whole weight; of equal saliencies the earlier weight goes.
    Weights of a row behind its last whole group of M are kept.
    """
    saliency = np.square(rows, dtype=np.float64)
    if importance is not None:
        saliency = saliency * importance[:, None, :]
    if prune.pattern is None:
        kept = np.ones(rows.size, np.bool_)
        kept[np.argsort(saliency, axis=None, kind="stable")[: round(prune.ratio * rows.size)]] = False
        return kept.reshape(rows.shape)
    keep, among = prune.pattern
    whole = rows.shape[-1] // among * among
    runs = saliency[..., :whole].reshape(*rows.shape[:2], -1, among)
    order = np.argsort(runs, axis=-1, kind="stable")
    stays = np.ones(runs.shape, np.bool_)
    np.put_along_axis(stays, order[..., : among - keep], False, -1)
    kept = np.ones(rows.shape, np.bool_)
    kept[..., :whole] = stays.reshape(*rows.shape[:2], whole)
    return kept
