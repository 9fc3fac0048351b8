"""Find the operators that compute other codes in another runtime, each on the same inputs.

The model is cut where codes are made, and both runtimes are fed the codes of the native run: no
operator inherits the error of one before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice

import numpy as np
import onnx_ir as ir

from edgeq.data.dataset import Dataset, Feeds
from edgeq.numerics.arrays import AnyArray
from edgeq.numerics.fidelity import ErrorSums
from edgeq.progress import Progress
from edgeq.proof.elsewhere.cut import Cut, cut, output_ends, told
from edgeq.proof.made_for import made_for
from edgeq.runtimes.ort import open_session
from edgeq.runtimes.protocol import OpenedModel

#: samples that are looked at: an operator that rounds otherwise does so in the first ones
SAMPLES = 4
#: SQNR in dB from which two results in floats are alike: float32 alone gives more than 100
ALIKE_DB = 80.0


@dataclass(frozen=True)
class Differing:
    """Operators between codes and codes, or an output, that gave something else than native."""

    #: name of the last node before them
    name: str
    #: which types they are of, in the order of the graph; empty: the codes of an input are made
    op_types: tuple[str, ...]
    #: share of the codes that differ, 0..1; of an output in floats, that of different numbers
    share: float
    #: the largest difference, in codes; None: an output in floats
    most: int | None
    #: SQNR of an output in floats against native, dB; None: codes
    sqnr_db: float | None


class Differences:
    """What one cut, or one output in floats, gave in both runtimes."""

    def __init__(self, cut: Cut) -> None:
        self.cut, self.different, self.count, self.most, self.errors = cut, 0, 0, 0, ErrorSums()

    def add(self, wanted: AnyArray, found: AnyArray) -> None:
        self.count += wanted.size
        self.different += int(np.count_nonzero(wanted != found))
        if wanted.dtype.kind == "f":
            self.errors.add(wanted, found)
        else:
            self.most = max(self.most, int(np.abs(wanted.astype(np.int64) - found.astype(np.int64)).max(initial=0)))

    def found(self) -> Differing | None:
        """What differs; None: nothing does."""
        share = self.different / max(self.count, 1)
        if self.errors.count:
            alike = self.errors.sqnr_db >= ALIKE_DB
            return None if alike else Differing(self.cut.name, self.cut.op_types, share, None, self.errors.sqnr_db)
        return Differing(self.cut.name, self.cut.op_types, share, self.most, None) if self.different else None


def find_differing(
    model: ir.Model, opened: Callable[[ir.Model], AbstractContextManager[OpenedModel]], dataset: Dataset, progress: Progress
) -> tuple[Differing, ...]:
    """The operators that differ on the first samples, in the order of the graph.

    model: with float inputs and outputs. opened: opens a model in the other runtime.
    """
    whole, parts, ends = told(model), model.clone(), output_ends(model)
    cuts = cut(parts)
    if not cuts:
        return ()
    optimize = made_for(model).optimize
    progress.start("find what differs", min(SAMPLES, dataset.count))
    with open_session(whole, optimize=optimize, arena=False) as native:
        every = [piece.feeds for piece in islice(dataset.batches(1), SAMPLES)]
        fed = [_fed(feeds, dict(zip(native.outputs, native.run(feeds), strict=True)), cuts) for feeds in every]
    for value in parts.graph.inputs:  # a runtime is told the sizes of codes that nothing infers
        if str(value.name) in fed[0]:
            value.shape = ir.Shape(fed[0][str(value.name)].shape)
    seen = [Differences(one) for one in (*cuts, *ends)]
    with opened(parts) as other, open_session(parts, optimize=optimize, arena=False) as own:
        names = [port.name for port in other.outputs]
        for arrays in fed:
            wanted = dict(zip(own.outputs, own.run(arrays), strict=True))
            found = dict(zip(names, other.run([arrays[port.name] for port in other.inputs]), strict=True))
            for one in seen:
                one.add(wanted[one.cut.made], found[one.cut.made])
            progress.advance()
    return tuple(differing for one in seen if (differing := one.found()) is not None)


def _fed(feeds: Feeds, codes: Mapping[str, AnyArray], cuts: Sequence[Cut]) -> dict[str, AnyArray]:
    """What a model that was cut is fed: the inputs of the whole, and the codes at each cut."""
    return {**feeds, **{one.read: codes[one.made] for one in cuts if one.read}}
