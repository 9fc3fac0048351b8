"""Sums over the pairs of one output, as a whole and part by part."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edgeq.numerics.arrays import AnyArray
from edgeq.numerics.channel_sums import ChannelSums
from edgeq.numerics.fidelity import Agreement, ErrorSums
from edgeq.numerics.noise_carriers import NoiseCarriers
from edgeq.numerics.output_fidelity import NUMBERS, Classes, OutputFidelity, PartFidelity, by_weakness


class OutputSums:
    """Sums over the pairs of one output, as a whole and part by part."""

    def __init__(
        self,
        name: str,
        parts: Sequence[str] = (),
        channels: tuple[int, int] | None = None,
        *,
        random: str | None = None,
        classes: Classes | None = None,
        errors_only: bool = False,
    ) -> None:
        """random: name of a node that draws random numbers for the output.

        classes: why it is scores of classes. errors_only: whether the SQNR and the other sums of
        errors are all that is asked for; no equal elements, arg-max or samples are then counted.
        """
        self.name, self.random, self.classes, self.errors_only = name, random, classes, errors_only
        self.channels = None if channels is None else ChannelSums(*channels)
        self.whole, self.agreement, self.carriers = ErrorSums(), Agreement(), NoiseCarriers()
        self.parts = [(part, ErrorSums()) for part in parts]
        self.uncompared = self.compared = 0
        self.elements = self.equal = 0
        self.floats = False

    def add(self, f: AnyArray, q: AnyArray, labels: AnyArray | None = None, samples: int = 1) -> bool:
        """Add what both models gave in one run; returns False where their shapes differ.

        labels: for each element the number of its part, from 1, in the shape of the output.
        samples: how many were fed in the run.
        """
        if f.dtype.kind not in NUMBERS or q.dtype.kind not in NUMBERS:
            self.uncompared += 1
            return True
        if f.shape != q.shape:
            self.uncompared += 1
            return False
        self.compared += 1
        self.whole.add(f, q)
        self.floats = self.floats or f.dtype.kind == "f"
        if not self.errors_only:
            self.agreement.add(f, q)
            self.carriers.add(f, q, samples)
            self.elements += f.size
            self.equal += int((f == q).sum())
        if self.channels is not None:
            self.channels.add(f, q)
        if labels is not None and labels.shape == f.shape:
            for number, (_, sums) in enumerate(self.parts, 1):
                here = labels == number
                if here.any():
                    sums.add(f[here], q[here])
        return True

    def empty(self) -> OutputSums:
        """Sums of the same output over no pair."""
        axes = None if self.channels is None else (self.channels.axis, self.channels.count)
        return OutputSums(
            self.name, [part for part, _ in self.parts], axes, random=self.random, classes=self.classes, errors_only=self.errors_only
        )

    def merge(self, other: OutputSums) -> None:
        """Add the sums of the same output over other pairs.

        Sums of single runs, merged in their order, are the bits of what `add` gives run by run.
        """
        self.whole.merge(other.whole)
        self.agreement.merge(other.agreement)
        self.carriers.merge(other.carriers)
        if self.channels is not None and other.channels is not None:
            self.channels.merge(other.channels)
        for (_, mine), (_, theirs) in zip(self.parts, other.parts, strict=True):
            mine.merge(theirs)
        self.uncompared += other.uncompared
        self.compared += other.compared
        self.elements += other.elements
        self.equal += other.equal
        self.floats = self.floats or other.floats

    def fidelity(self) -> OutputFidelity:
        """The figures of all pairs so far."""
        found = [PartFidelity(name, sums.sqnr_db, sums.cosine, sums.largest) for name, sums in self.parts if sums.count]
        parts = tuple(sorted(found, key=lambda part: by_weakness(part.sqnr_db)))
        sqnr_db = self.whole.sqnr_db if self.compared else math.nan
        equal = self.equal / self.elements if self.elements else 1.0
        same = self.agreement.share
        return OutputFidelity(
            self.name, sqnr_db, self.whole.cosine, self.whole.largest, same if self.classes else None,
            parts=parts if len(parts) > 1 else (),
            narrow=None if self.channels is None else self.channels.narrow(),
            equal=None if self.floats or not self.compared else equal,
            compared=self.compared, uncompared=self.uncompared, nonfinite=self.whole.nonfinite, random=self.random,
            classes=self.classes if same is not None else None, same_arg_max=same,
            noise_samples=self.carriers.effective or None,
        )  # fmt: skip
