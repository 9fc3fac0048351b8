"""The lines of a proof about operators that give something else than in onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgeq.io.visible import visible

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edgeq.proof.elsewhere.differing import Differing

#: kinds of operators that a line names, the last ones
SHOWN = 4


def differing_lines(differing: Sequence[Differing] | None) -> list[RenderableType]:
    """A line for each kind of operator that gives something else than in onnxruntime."""
    from rich.text import Text

    if differing is None:
        return []
    kinds: dict[tuple[str, ...], list[Differing]] = {}
    for one in differing:
        kinds.setdefault(one.op_types, []).append(one)
    lines: list[RenderableType] = [Text("  on the same codes every operator gives what it gives in onnxruntime", "dim")] * (not kinds)
    for op_types, found in kinds.items():
        words = ", ".join(op_types[-SHOWN:]) or "codes of an input"
        more = f", with {len(op_types) - SHOWN} kinds before" if len(op_types) > SHOWN else ""
        codes = [one for one in found if one.most is not None]
        told = f"{100 * max(one.share for one in found):.3g} % differ"
        told += f", by {max(one.most or 0 for one in codes)} at most" if codes else f", {min(one.sqnr_db or 0.0 for one in found):.1f} dB"
        lines.append(Text(f"  differs   {len(found)} x {words}{more}: {told} ({visible(found[0].name)})", "yellow"))
    return lines
