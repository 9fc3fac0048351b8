"""Show on a terminal what storing a float model's weights as codebooks came to."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from edgeq.io.reasons import grouped, shown
from edgeq.io.visible import visible
from edgeq.report.codebooks_text import codebook_lines
from edgeq.report.figures import fidelity_text, human_bytes, judged_text
from edgeq.report.float_report import FloatReport
from edgeq.report.formats import format_lines
from edgeq.report.on_top import accepted_lines


def float_text(found: FloatReport) -> RenderableType:
    """What became of the size and of the outputs, and the layers."""
    before, after = found.size.float_bytes, found.size.int8_bytes
    head = f"{found.model}: {human_bytes(before)} became {human_bytes(after)} ({after / max(before, 1):.3f}x)"
    parts: list[RenderableType] = [*accepted_lines(found.accepted), Text(head)]
    parts += [Text.assemble(("! ", "bold yellow"), visible(line)) for line in found.warnings]
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
