"""The result of storing a float model's weights in few bits, as frozen data."""

from __future__ import annotations

from dataclasses import dataclass

from edgeq.report.codebooks import CodebookLayer
from edgeq.report.formats import FormatLayer
from edgeq.report.headline import Fidelity
from edgeq.report.judging import JudgingInfo
from edgeq.report.run_facts import Sizes
from edgeq.schema.codebook import CodebookWish


@dataclass(frozen=True)
class FloatReport:
    """The result of storing a float model's weights as codebooks."""

    #: path of the float model
    model: str
    #: path of the model that was written
    out: str
    #: the requested codebooks
    codebook: CodebookWish
    size: Sizes
    #: the weights that are stored as codebooks
    codebooks: tuple[CodebookLayer, ...]
    #: nodes whose weights are unchanged, each with the reason
    left: tuple[tuple[str, str], ...]
    #: the outputs compared with the float model's; None: there is no data, or it was skipped
    fidelity: Fidelity | None
    #: the samples that it was compared on; None: as above
    judged: JudgingInfo | None
    #: doubts about the data that end a run unless they are accepted
    accepted: tuple[str, ...] = ()
    #: other doubts about the data
    warnings: tuple[str, ...] = ()
    #: the weights that are stored in number formats
    formats: tuple[FormatLayer, ...] = ()
    #: which file the report is about (edgeq/io/marks.py)
    mark: str = ""
