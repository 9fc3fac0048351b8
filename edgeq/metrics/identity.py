"""What measurements by a metric depend on, as a hash: the metric, its code and the labels."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from types import CodeType

from edgeq.metrics.metric import Metric
from edgeq.numerics.arrays import AnyArray


def judged_by(metric: Metric | None, labels: AnyArray | None) -> str:
    """sha256 over a metric, the code of its function and the labels, in hexadecimal.

    What the function calls, and what it encloses, is not seen.
    """
    found = hashlib.sha256()
    if metric is not None:
        settings = (metric.name, metric.higher_is_better, metric.needs_labels, metric.each_sample, metric.share)
        found.update(repr(settings).encode())
        for part in _code(getattr(metric.function, "__code__", None)):
            found.update(part)
    for array in _arrays(labels):
        found.update(f"{array.dtype}{array.shape}".encode() + array.tobytes())
    return found.hexdigest()


def _code(code: CodeType | None) -> Iterator[bytes]:
    """The instructions of a function and of those in it, and what they name, without places."""
    if code is None:
        return
    yield code.co_code
    yield repr(code.co_names).encode()
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield from _code(one)
        else:
            yield repr(sorted(map(repr, one)) if isinstance(one, frozenset) else one).encode()


def _arrays(labels: AnyArray | None) -> Iterator[AnyArray]:
    if labels is not None:
        yield from labels if labels.dtype == object else (labels,)
