"""The result of storing a float model's weights as codebooks, as data and as text."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.text import Text

from edgeq.io.reasons import grouped, shown
from edgeq.report.codebooks import CodebookLayer
from edgeq.report.codebooks_text import codebook_lines
from edgeq.report.figures import fidelity_text, human_bytes, judged_text
from edgeq.report.formats import FormatLayer, format_lines
from edgeq.report.headline import Fidelity
from edgeq.report.judging import JudgingInfo
from edgeq.report.on_top import accepted_lines
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


def float_text(found: FloatReport) -> RenderableType:
    """What became of the size and of the outputs, and the layers."""
    before, after = found.size.float_bytes, found.size.int8_bytes
    head = f"{found.model}: {human_bytes(before)} became {human_bytes(after)} ({after / max(before, 1):.3f}x)"
    parts: list[RenderableType] = [*accepted_lines(found.accepted), Text(head)]
    if found.fidelity is not None:
        parts.append(fidelity_text(found.fidelity))
    if found.judged is not None:
        parts.append(Text(judged_text(found.judged), "dim"))
    parts += format_lines(found.formats) if found.formats else codebook_lines(found.codebooks)
    left, more = shown(grouped((name, "", why) for name, why in found.left))
    parts += [Text(f"left as they are, {len(one.names)}: {one.cause}: {one.named}", "dim") for one in left]
    if more:
        parts.append(Text(f"and {more} left as they are", "dim"))
    return Group(*parts)
