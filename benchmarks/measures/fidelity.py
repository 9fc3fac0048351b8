"""How far models are from the float one: SQNR, cosine and agreement in one pass over the data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.measures.feeds import feeds
from benchmarks.measures.sessions import fixed_batch, open_session, ranks


@dataclass(frozen=True)
class Fidelity:
    """Of the first output against float, over every evaluation sample.

    sqnr_db: as this machine runs the model. exact_db: with kernels that cannot saturate: x86
    processors without VNNI add pairs of u8 * s8 products in saturating int16, and lose decibels
    that the model is not to blame for. agreement: share of equal arg-max, None without classes.
    """

    sqnr_db: float
    exact_db: float
    cosine: float
    agreement: float | None
    samples: int


def fidelity(reference: Path, models: dict[str, Path], data: Path, limit: int | None, batch: int) -> dict[str, Fidelity]:
    """Every model against the float one in a single pass over the data, batch by batch."""
    float_session = open_session(reference)
    sessions = {name: (open_session(path), open_session(path, exact=True)) for name, path in models.items()}
    output = float_session.get_outputs()[0].name
    sums = {name: np.zeros(5) for name in models}
    equal = dict.fromkeys(models, 0)
    rows = samples = 0
    for feed in feeds(data, ranks(float_session), limit, fixed_batch(float_session) or batch):
        f = float_session.run([output], feed)[0].astype(np.float64)
        classes = f.ndim == 2 and f.shape[1] > 1
        samples += len(f)
        rows += len(f) if classes else 0
        for name, (session, exact) in sessions.items():
            q = session.run([output], feed)[0].astype(np.float64)
            e = exact.run([output], feed)[0].astype(np.float64)
            sums[name] += ((f * f).sum(), ((f - q) ** 2).sum(), (q * q).sum(), (f * q).sum(), ((f - e) ** 2).sum())
            equal[name] += int((f.argmax(1) == q.argmax(1)).sum()) if classes else 0
    return {name: _fidelity(sums[name], equal[name] / rows if rows else None, samples) for name in models}


def _fidelity(sums: NDArray[np.float64], agreement: float | None, samples: int) -> Fidelity:
    ff, error, qq, fq, exact = sums.tolist()
    return Fidelity(_decibel(ff, error), _decibel(ff, exact), fq / max((ff * qq) ** 0.5, 1e-30), agreement, samples)


def _decibel(signal: float, error: float) -> float:
    return 10 * math.log10(max(signal, 1e-30) / max(error, 1e-30))
