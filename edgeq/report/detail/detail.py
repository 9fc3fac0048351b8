"""The parts of a model as a page draws them: nodes, their values, bytes and times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgeq.proof.node_rows import ProvenAs
from edgeq.report.detail.node_times import RunTimes

#: which values a histogram counts: those that data made, or those of a constant
Role = Literal["activation", "weight"]


@dataclass(frozen=True)
class Histogram:
    """How often a value takes which numbers, in equal bins, and how many of them the grid clips."""

    #: lower end of the first bin
    low: float
    #: upper end of the last bin
    high: float
    #: how many numbers lie in each bin
    counts: tuple[int, ...]
    #: how many numbers of the whole lie outside of what the grid keeps, share 0..1
    clipped: float
    #: every n-th number of a very large constant was counted
    every: int = 1


@dataclass(frozen=True)
class ValueDetail:
    """A value of the model that is stored or passed on in integers: r = scale (q - zero_point)."""

    #: name of the value; of a weight, NODE:INDEX of where it is read
    name: str
    role: Role
    #: type of the codes
    dtype: str
    #: the scale; of several, the smallest
    scale: float
    #: the largest scale
    largest_scale: float
    #: how many scales there are
    scales: int
    #: the code of 0.0; of several, the first
    zero_point: int
    #: the smallest number that the grid keeps; with several scales, of the widest
    kept_low: float
    #: the largest number likewise
    kept_high: float
    #: the rule that chose the grid
    rule: str
    #: why, for people
    reason: str
    #: numbers of it; None: there was no data
    histogram: Histogram | None
    #: in what the file stores a weight, where that is not its codes
    stored_as: str = ""


@dataclass(frozen=True)
class NodeDetail:
    """A node of the model."""

    #: name of the node
    name: str
    #: ONNX operator type
    op_type: str
    #: how it runs, as the proof says, or as planned where nothing was proven
    runs_as: ProvenAs
    #: int8: the kernel; float: why; vanished: into what
    ran: str
    #: why the plan put it there; empty: the plan does not have the node
    reason: str
    #: multiply-accumulates of one sample
    macs: int
    #: names of the values that it reads, without constants
    reads: tuple[str, ...]
    #: names of the values that it makes
    makes: tuple[str, ...]
    #: bytes of its constants in the float model
    float_bytes: int
    #: bytes of its constants as the plan stores them
    bytes: int
    #: whether it computes from constants alone
    constant: bool = False


@dataclass(frozen=True)
class Detail:
    """What a page draws of a model."""

    #: the nodes of the float model, in its order; where nothing was proven, of the prepared model
    nodes: tuple[NodeDetail, ...]
    #: the values that have a grid, activations before weights
    values: tuple[ValueDetail, ...]
    #: samples that the histograms of activations and the SQNR of layers are from; 0: none
    samples: int
    #: what the kernels of one run take; None: it was not timed
    times: RunTimes | None
