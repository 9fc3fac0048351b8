"""The document that a page draws: typed, and nothing but strings, numbers and lists as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field

from edgeq.proof.node_rows import ProvenAs
from edgeq.report.codebooks import CodebookLayer
from edgeq.report.detail.detail import ValueDetail
from edgeq.report.detail.node_times import RunTimes
from edgeq.report.figures import Grade
from edgeq.report.formats import FormatLayer
from edgeq.report.page.drawing import Drawing
from edgeq.schema.finetune import Training

#: an SQNR in dB; "exact" for equal values, "none" for a value that is lost; None: not measured
Db = float | str | None


@dataclass(frozen=True)
class Line:
    """One line of text."""

    text: str
    #: how it is meant; None: it is neither good nor bad
    grade: Grade | None = None


@dataclass(frozen=True)
class Figure:
    """One of the large figures on top."""

    label: str
    #: with its unit
    value: str
    #: what it means, in plain words
    note: str
    grade: Grade | None = None


@dataclass(frozen=True)
class Bar:
    """A bar of a pair: the same quantity of the float and of the int8 model."""

    label: str
    #: which of the two colours it has
    kind: str
    value: float
    #: the value with its unit
    shown: str


@dataclass(frozen=True)
class NodeRow:
    """A node of the model, in the table and in the graph."""

    name: str
    op_type: str
    runs_as: ProvenAs
    #: the kernel, or into what it vanished, or why it is float
    ran: str
    #: why the plan put it there
    reason: str
    #: multiply-accumulates; None: not known
    macs: int | None = None
    float_bytes: int | None = None
    bytes: int | None = None
    sqnr_db: Db = None
    #: milliseconds of its kernel in the float model and in the int8 model
    float_ms: float | None = None
    int8_ms: float | None = None
    reads: tuple[str, ...] = ()
    makes: tuple[str, ...] = ()


@dataclass(frozen=True)
class OutputRow:
    """An output of the model, or a part of one."""

    output: str
    #: empty: the output as a whole
    part: str
    sqnr_db: Db
    max_error: float
    #: what else is to be said of it
    note: str = ""


@dataclass(frozen=True)
class StepRow:
    """A step of the decision."""

    name: str
    sqnr_db: Db
    kept: bool
    #: the step in words
    text: str


@dataclass(frozen=True)
class PointRow:
    """A candidate of a search."""

    name: str
    chosen: bool
    #: whether no other beats it
    front: bool
    sqnr_db: Db
    #: the task metric; None: the data has none
    accuracy: float | None
    integer_pct: float
    bytes: int
    #: time against the float model's
    ratio: float | None


@dataclass(frozen=True)
class SearchPart:
    """What a search measured and chose."""

    objective: str
    why: str
    judged: str
    #: name of the task metric, and whether it is a share in 0..1
    metric: str
    share: bool
    points: tuple[PointRow, ...]


@dataclass(frozen=True)
class RunPage:
    """One run: what its page shows, from top to bottom."""

    #: file name of the model
    name: str
    #: what was made of it, for what and from which data
    subtitle: str
    #: whether the floors hold: passed, failed or none
    gate: str
    #: sentences that say what came of it, the first one first
    verdict: tuple[Line, ...]
    #: how fast it is beside float; None: it was not timed
    pace: Line | None
    figures: tuple[Figure, ...]
    #: distance to float at the weakest output; None: it was not measured
    sqnr_db: Db
    #: what was measured, on what and how
    remarks: tuple[Line, ...]
    #: what is worth knowing
    notes: tuple[Line, ...]
    bars: tuple[Bar, ...] = ()
    #: how the times were measured
    timed: str = ""
    nodes: tuple[NodeRow, ...] = ()
    #: whether the rows say what the runtime really ran, and not what was planned
    proven: bool = False
    values: tuple[ValueDetail, ...] = ()
    #: samples that histograms and the SQNR of layers are from
    samples: int = 0
    times: RunTimes | None = None
    drawing: Drawing | None = None
    outputs: tuple[OutputRow, ...] = ()
    steps: tuple[StepRow, ...] = ()
    search: SearchPart | None = None
    training: Training | None = None
    codebooks: tuple[CodebookLayer, ...] = ()
    codebooks_told: str = ""
    formats: tuple[FormatLayer, ...] = ()
    formats_told: str = ""
    #: weights that were left as they are, each with the reason
    left: tuple[tuple[str, str], ...] = ()
    #: Python code that runs the model
    code: str = ""
    #: how it was made: names and values
    made: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Page:
    """All that a page shows."""

    title: str
    runs: tuple[RunPage, ...]
    #: of several runs, what tells them apart: a name for each
    names: tuple[str, ...] = ()
    #: of several runs, rows of a table: a label, and a cell for each run
    table: tuple[tuple[str, tuple[str, ...]], ...] = field(default=())
