"""Show codebooks on a terminal: one line for all, then a table of the layers."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from edgeq.io.visible import visible
from edgeq.report.codebooks import CodebookLayer

#: number of layers in the table; of the others only the count is shown
SHOWN = 12
_BARS = " ▁▂▃▄▅▆▇█"


def codebook_lines(layers: Sequence[CodebookLayer]) -> list[RenderableType]:
    """The sum over all weights, and the layers with the lowest SQNR and their histograms."""
    parts: list[RenderableType] = [Text(codebook_summary(layers)), _table(sorted(layers, key=lambda layer: layer.sqnr_db)[:SHOWN])]
    if len(layers) > SHOWN:
        parts.append(Text(f"and {len(layers) - SHOWN} more, with less error", "dim"))
    return parts


def codebook_summary(layers: Sequence[CodebookLayer]) -> str:
    """How many weights are in codebooks, and how many bits each weight takes."""
    weights, stored = sum(layer.float_bytes // 4 for layer in layers), sum(layer.bytes for layer in layers)
    return f"{len(layers)} weights in codebooks: {8 * stored / max(weights, 1):.3f} bits per weight with tables and scales"


def _table(layers: Sequence[CodebookLayer]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for head in ("bits", "per weight", "SQNR dB", "zeros"):
        table.add_column(head, justify="right")
    table.add_column("weights", no_wrap=True)
    table.add_column("layer", overflow="fold")
    for layer in layers:
        zeros = f"{100 * layer.zeros:.0f} %" if layer.zeros >= 0.005 else ""
        bits, each, quality = str(layer.bits), f"{layer.bits_per_weight:.2f}", f"{layer.sqnr_db:.1f}"
        table.add_row(bits, each, quality, zeros, spark(layer.histogram), Text(visible(layer.node)))
    return table


def spark(counts: Sequence[int], width: int = 16) -> str:
    """A histogram in one line of text."""
    step = max(1, len(counts) // width)
    bins = [sum(counts[start : start + step]) for start in range(0, len(counts), step)]
    peak = max(bins, default=0) or 1
    return "".join(_BARS[-(-8 * count // peak)] for count in bins)
