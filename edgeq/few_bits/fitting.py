"""Fit the codebook of each float weight; the engine divides the weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from edgeq.engines.current import current_engine
from edgeq.engines.local import Local
from edgeq.engines.protocol import Job, Opened, in_order
from edgeq.engines.sent import Sent
from edgeq.few_bits.float_weights import FloatWeight, float_weights
from edgeq.graph.find_layer import layer_of
from edgeq.numerics.arrays import F32
from edgeq.numerics.clustering import EXACT, Clustering
from edgeq.numerics.rounding.moment import Moment
from edgeq.progress import Progress
from edgeq.refine.codebooks.fit import real_codebook_of
from edgeq.schema.codebook import CodebookWish


@dataclass(frozen=True, eq=False)
class Fits:
    """What all weights need."""

    model: Sent
    codebook: CodebookWish
    #: key of a weight -> bits of its codebook's index
    bits: Mapping[str, int]
    #: node -> second moments of its input
    moments: Mapping[str, Moment]
    clustering: Clustering


def fitted(fits: Fits, progress: Progress) -> Iterator[F32]:
    """The new numbers of each weight, in the order of `fits.bits`, in its own shape.

    A solver that is not edgeq's own stays in this process.
    """
    engine = current_engine() if fits.clustering is EXACT else Local(1)
    yield from in_order(engine.run(Job(_open, fits), tuple(fits.bits), progress))


@contextmanager
def _open(fits: Fits) -> Iterator[Opened[str, F32]]:
    named = {one.key: one for one in float_weights(fits.model.model)}

    def work(key: str, progress: Progress) -> F32:
        with threadpool_limits(1, user_api="blas"):  # sums in one order, whatever the number of threads
            new = _fit(named[key], fits)
        progress.advance()
        return new

    yield work


def _fit(one: FloatWeight, fits: Fits) -> F32:
    layer, bits = layer_of(one.node) if one.index == 1 else None, fits.bits[one.key]
    if layer is None:  # no rows that are multiplied with an input: channels as rows
        return one.from_channels(real_codebook_of(one.channels(), None, fits.codebook, bits, fits.clustering))
    moment = fits.moments.get(str(one.node.name))
    second = moment.half().dense() if moment is not None and moment.rows else None
    new = real_codebook_of(layer.weight_rows(one.array()), second, fits.codebook, bits, fits.clustering)
    return np.asarray(layer.from_rows(new), np.float32)
