"""Describe what a codebook did to each weight.

A description holds bits, bytes, error, zeros, and the numbers behind a picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.numerics.arrays import F32
from edgeq.numerics.codebook import Codebook, encode, parse_grain, stored_bytes
from edgeq.report.detail.corner import Corner, corner_of
from edgeq.report.stored_weights import weight_sqnr, weights_stored
from edgeq.schema.plan import Plan
from edgeq.schema.weights import CodebookWeight

#: bins of the histogram of a weight
BINS = 64


@dataclass(frozen=True)
class CodebookLayer:
    """What a codebook did to one weight."""

    #: name of the node that reads the weight
    node: str
    #: shape of the weight
    shape: tuple[int, ...]
    #: which elements share a table, as plans write it
    granularity: str
    #: bits of an index
    bits: int
    #: entries of a table
    entries: int
    #: bytes of indices, tables and scales in the file
    bytes: int
    #: bytes of the float weight
    float_bytes: int
    #: 10 log10(sum w^2 / sum (w - w')^2) in dB
    sqnr_db: float
    #: share of zeros among the new weights, 0..1
    zeros: float
    #: lower end of the histogram
    low: float
    #: upper end of the histogram
    high: float
    #: counts of the float weights in equal bins from low to high
    histogram: tuple[int, ...]
    #: values of the first table, in real units; where channels have scales, those of the first
    #: channel
    centroids: tuple[float, ...]
    #: the first numbers of the weight, before and after; None: they were not kept
    corner: Corner | None = None

    @property
    def bits_per_weight(self) -> float:
        """Bits that each weight takes, including tables and scales."""
        return 8 * self.bytes / max(self.float_bytes // 4, 1)


def describe(node: str, weight: F32, new: F32, book: Codebook, scale: F32) -> CodebookLayer:
    """Describe a weight and what it became.

    new: the weight as the codebook gives it back. scale: what a table's numbers are multiplied by,
    one number or one per channel.
    """
    weight, new = np.asarray(weight, np.float32), np.asarray(new, np.float32)
    counts, edges = np.histogram(weight, BINS)
    first = book.tables[0].astype(np.float64) * (float(scale.reshape(-1)[0]) if scale.size else 1.0)
    return CodebookLayer(
        node=node,
        shape=weight.shape,
        granularity=str(book.grain),
        bits=book.bits,
        entries=book.tables.shape[1],
        bytes=stored_bytes(book) + scale.nbytes,
        float_bytes=weight.nbytes,
        sqnr_db=weight_sqnr(weight, new),
        zeros=float(np.mean(new == 0)) if new.size else 0.0,
        low=float(edges[0]),
        high=float(edges[-1]),
        histogram=tuple(int(count) for count in counts),
        centroids=tuple(float(entry) for entry in np.unique(first)),
        corner=corner_of(weight, new),
    )


def planned_layers(model: ir.Model, plan: Plan) -> tuple[CodebookLayer, ...]:
    """The codebooks of an int8 plan, in graph order; a weight that nodes share is listed once.

    model: the prepared float model.
    """
    return tuple(describe(name, weight, new, book, scale) for name, weight, new, book, scale in planned_weights(model, plan).values())


#: node, float weight, new weight, codebook of its integers, scales
Told = tuple[str, F32, F32, Codebook, F32]


def planned_weights(model: ir.Model, plan: Plan) -> Mapping[str, Told]:
    """Weight name -> what a plan makes of it (see Told), for each weight stored as a codebook."""
    found: dict[str, Told] = {}
    for one in weights_stored(model, plan, CodebookWeight):
        how = one.how
        book = None if one.name in found else encode(one.codes, parse_grain(how.granularity), how.channel_axis, how.bits)
        if book is not None:
            found[one.name] = (one.node, one.weight, one.new, book, how.params.scale)
    return found
