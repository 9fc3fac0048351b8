"""Improve a table of vectors under the second moment of a layer's input.

Vectors get their entries block of columns after block, and what a block errs is passed on to those
still free: error feedback as in rounding.py, with blocks in place of columns (GPTVQ, van Baalen et
al., arXiv:2402.15319). Where GPTVQ weighs the numbers of a block by the diagonal, a block here is
judged by all of what the blocks after it cannot make up for. Then single vectors move to better
entries, entries and scales follow by least squares, and so on.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgeq.numerics.arrays import F32, F64, Indices, Mask
from edgeq.numerics.codebook_descent import LEAST_GAIN, Fit, WeightRows, fit_scale, total_error
from edgeq.numerics.rounding.factors import DAMPING
from edgeq.numerics.vectors.entries import Vectors, refitted

#: the most rounds of assigning and refitting, and the most sweeps over blocks and entries in each
ROUNDS, SWEEPS = 4, 3


def improve_vectors(weights: WeightRows, scale: F32, table: F64, reach: int) -> Fit:
    """Alternate until the gain falls below LEAST_GAIN.

    weights: with a moment, and rows that divide into vectors. scale: [G, C] to start from. table:
    [k, d], whole numbers up to `reach`.
    """
    assert weights.moment is not None
    kept = weights.codes.kept
    pruned = None if kept is None else np.logical_not(np.any(kept.reshape(*kept.shape[:2], -1, table.shape[1]), axis=-1))
    passed_on = [_Blocks(own, table.shape[1]) for own in weights.moment]
    best = _assigned(weights, scale, table, pruned, passed_on)
    least = total_error(weights, best.codes, best.scale)
    for _ in range(ROUNDS):
        new = replace(best, table=refitted(weights, best, reach))
        if not weights.codes.power_of_two:
            new = replace(new, scale=fit_scale(weights, Fit(new.scale, new.codes)))
        again = _assigned(weights, new.scale, new.table, pruned, passed_on)
        new, error = min(((one, total_error(weights, one.codes, one.scale)) for one in (new, again)), key=lambda found: found[1])
        if error >= least:
            break
        gains, best, least = error < least * (1 - LEAST_GAIN), new, error
        if not gains:
            break
    return Fit(best.scale, best.codes)


class _Blocks:
    """The factors of one group's damped moment [K, K], its columns in blocks of d.

    U^T U is the inverse of the damped moment in the order in which blocks are assigned: those whose
    inputs vary most come first, since what is assigned last is corrected by nobody.
    """

    def __init__(self, moment: F64, size: int) -> None:
        diagonal = np.einsum("kk->k", moment)
        heavy = np.argsort(-diagonal.reshape(-1, size).sum(1), kind="stable")
        #: the blocks in their order, and their columns
        self.order, self.columns = heavy, (heavy[:, None] * size + np.arange(size)).reshape(-1)
        damped = moment[np.ix_(self.columns, self.columns)] + np.eye(len(moment)) * (DAMPING * diagonal.mean() + 1e-30)
        #: U, upper triangular
        self.upper = np.ascontiguousarray(np.linalg.cholesky(np.linalg.inv(damped)).T)


def _assigned(weights: WeightRows, scale: F32, table: F64, zeros: Mask | None, passed_on: list[_Blocks]) -> Vectors:
    """Entries by error feedback, then moves of single vectors.

    zeros: vectors that have to take the entry 0, [G, C, B]; None: there are none.
    """
    places = [_fed_back(rows / own[:, None], table, blocks) for rows, own, blocks in zip(weights.rows, scale, passed_on, strict=True)]
    found = Vectors(scale, table, _with_zeros(np.stack(places), table, zeros))
    return _polished(weights, found, zeros)


def _with_zeros(places: Indices, table: F64, zeros: Mask | None) -> Indices:
    return places if zeros is None else np.where(zeros, int(np.abs(table).sum(1).argmin()), places)


def _fed_back(wanted: F64, table: F64, blocks: _Blocks) -> Indices:
    """The entries of a group's vectors [C, B]. wanted: its rows in units of their scales."""
    size, rest = table.shape[1], wanted.astype(np.float64)[:, blocks.columns]
    found = np.zeros((len(rest), len(blocks.order)), np.intp)
    for number, block in enumerate(blocks.order.tolist()):
        own, after = slice(number * size, (number + 1) * size), slice((number + 1) * size, None)
        inverse = np.linalg.inv(blocks.upper[own, own])
        found[:, block] = nearest(rest[:, own] @ inverse, table @ inverse)
        rest[:, after] -= ((rest[:, own] - table[found[:, block]]) @ inverse) @ blocks.upper[own, after]
    return found


def nearest(points: F64, entries: F64) -> Indices:
    """The index of the nearest entry [k, d] to each point [n, d]."""
    return np.asarray((points @ entries.T - np.square(entries).sum(1) / 2).argmax(1), np.intp)


def _polished(weights: WeightRows, start: Vectors, zeros: Mask | None) -> Vectors:
    """Move one vector at a time to the entry that is best while all others stay as they are."""
    moment, table, size = weights.moment, start.table, start.table.shape[1]
    assert moment is not None
    places = start.places.copy()
    for group, own in enumerate(moment):
        step = start.scale[group].astype(np.float64)[:, None]
        codes = table[places[group]].reshape(len(step), -1)
        slope = (weights.rows[group] - codes * step) @ own
        tiny = np.eye(size) * (np.trace(own) / len(own) * 1e-9 + 1e-30)
        for _ in range(SWEEPS):
            moved = 0
            for block in range(places.shape[2]):
                at = slice(block * size, (block + 1) * size)
                square = own[at, at] + tiny
                root = np.linalg.cholesky(square)
                aim = table[places[group, :, block]] + slope[:, at] @ np.linalg.inv(square) / step
                new = nearest(aim @ root, table @ root)
                if zeros is not None:
                    new = np.where(zeros[group, :, block], places[group, :, block], new)
                rows = np.flatnonzero(new != places[group, :, block])
                change = (table[new[rows]] - table[places[group, rows, block]]) * step[rows]
                slope[rows] -= change @ own[at]
                places[group, :, block] = new
                moved += len(rows)
            if not moved:
                break
    return replace(start, places=places)
