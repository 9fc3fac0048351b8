"""How far one output, and each of its parts, is from the float model's: figures and their sums."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from edgeq.numerics.channel_sums import NarrowChannels

#: the kinds of numpy's types that can be compared: not text, and not objects
NUMBERS = "fiub"

#: why an output is taken for scores of classes. labels: the data have a class label for each of its
#: rows, or the model pairs their numbers with labels (ZipMap). softmax: a Softmax makes its rows.
#: logits: its rows are the sums of products of the last layer, and no other output of the model is
Classes = Literal["labels", "softmax", "logits"]


@dataclass(frozen=True)
class PartFidelity:
    """How far one part of an output is from the float model's: what a Concat joins in it."""

    #: name of the value in the float model that the Concat reads
    name: str
    #: 10 log10(sum f^2 / sum (f - q)^2) in dB over the elements of the part; inf when equal
    sqnr_db: float
    #: sum f q / (|f| |q|)
    cosine: float
    #: largest |f - q|
    max_error: float


@dataclass(frozen=True)
class OutputFidelity:
    """How far one output q of the int8 model is from the float model's f, over all samples.

    Elements that are not finite in both models are no part of the figures; `nonfinite` counts them
    where the models differ.
    """

    #: name of the output
    name: str
    #: 10 log10(sum f^2 / sum (f - q)^2) in dB; inf when equal, NaN when nothing could be compared
    sqnr_db: float
    #: sum f q / (|f| |q|)
    cosine: float
    #: largest |f - q|
    max_error: float
    #: share of rows with the same arg-max, 0..1; None when the output is not scores of classes
    top1_agreement: float | None
    #: the parts that Concats join in the output, worst first; empty: nothing is joined
    parts: tuple[PartFidelity, ...] = ()
    #: channels of a layer that are weak against its strongest one; they are told, not judged
    narrow: NarrowChannels | None = None
    #: share of equal elements, 0..1, of an output of integers or truth values, whose SQNR says
    #: little; None: the output holds floating-point numbers
    equal: float | None = None
    #: number of runs that were compared; None: not counted
    compared: int | None = None
    #: number of runs that could not be compared: the shapes differ, or the output holds no numbers
    uncompared: int = 0
    #: number of elements that are NaN or infinite in one model and something else in the other
    nonfinite: int = 0
    #: name of a node that draws random numbers for it: two runs of the float model differ, too;
    #: None: there is none
    random: str | None = None
    #: why the output is taken for scores of classes (class_outputs in edgeq/graph/patterns/); None:
    #: it is not
    classes: Classes | None = None
    #: share of rows with the same arg-max, 0..1, whatever they are; None: it is not rows [N, >= 2]
    same_arg_max: float | None = None
    #: as many samples as would have all of the noise if each had the same amount; None: unknown
    noise_samples: float | None = None


@dataclass(frozen=True)
class Weakest:
    """The output, or the part of an output, that is farthest from the float model's."""

    #: name of the output
    output: str
    #: name of the part; None: the output as a whole
    part: str | None
    #: its SQNR in dB; NaN: it could not be measured
    sqnr_db: float

    @property
    def label(self) -> str:
        """What it is called: the output's name, or that of the part and the output."""
        return self.output if self.part is None else f"{self.part} in {self.output}"


def by_weakness(sqnr_db: float) -> float:
    """A key that sorts the worst SQNR first; NaN, which may hide anything, is the worst."""
    return -math.inf if math.isnan(sqnr_db) else sqnr_db


def weakest_of(output: OutputFidelity) -> Weakest:
    """The weakest part of the output, or the output where it is not joined from parts."""
    whole = Weakest(output.name, None, output.sqnr_db)
    parts = [Weakest(output.name, part.name, part.sqnr_db) for part in output.parts]
    return min((whole, *parts), key=lambda one: by_weakness(one.sqnr_db))


def judged(outputs: Sequence[OutputFidelity]) -> tuple[OutputFidelity, ...]:
    """The outputs whose SQNR is judged: floating-point numbers that could be compared.

    Where there are none, the others: an SQNR of integers (classes, indices, counts) says little,
    and one of random numbers nothing.
    """
    measured = [output for output in outputs if output.compared != 0]
    measured = [output for output in measured if output.random is None] or measured
    floats = [output for output in measured if output.equal is None]
    return tuple(floats or measured or outputs)


def agreement_name(outputs: Sequence[OutputFidelity]) -> str:
    """What the agreement of outputs is called: the sums of a last layer need not be classes."""
    sure = all(output.classes != "logits" for output in outputs)
    return "same top-1" if sure else "same arg-max"
