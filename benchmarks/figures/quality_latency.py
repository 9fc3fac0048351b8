"""One figure: SQNR against latency of every model, edgeq and its peers, as SVG.

    # writes docs/benchmarks.svg from the rows of the project
    python -m benchmarks.figures.quality_latency
    # with rows of your own
    python -m benchmarks.figures.quality_latency more.csv -o my.svg
    # prints the table of the same rows
    python -m benchmarks.figures.quality_latency --table

The same rows give the same bytes. A line joins what the tools made of one model: up is closer to
float, left is faster. Colours follow the reader's choice of a light or dark page.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from benchmarks.figures.rows import FOLDER, OURS, Row, read_rows, table
from benchmarks.measures.model_zoo import ROOT

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 860, 560, 70, 20, 64, 56
STYLE = """<style>
svg { --ink: #24292f; --faint: #d0d7de; --page: #ffffff; --ours: #0550ae; --peer: #bc4c00; --join: #8c959f; }
@media (prefers-color-scheme: dark) {
svg { --ink: #e6edf3; --faint: #30363d; --page: #0d1117; --ours: #79c0ff; --peer: #ffa657; --join: #6e7681; } }
text { fill: var(--ink); font: 13px system-ui, sans-serif; } .title { font-size: 15px; font-weight: 600; }
.page { fill: var(--page); } .grid { stroke: var(--faint); } .even { stroke: var(--ink); stroke-dasharray: 4 3; }
.join { stroke: var(--join); stroke-width: 0.8; } .ours { fill: var(--ours); }
.peer { fill: var(--page); stroke: var(--peer); stroke-width: 1.6; }
</style>"""
#: ratios of latency at which the axis has a line
RATIOS = (0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 1.4, 2.0, 3.0, 5.0)
#: dB between two lines of the other axis
STEP_DB = 10
#: corners of the marks of peers, in the order of their names: a square, a diamond, a triangle
SHAPES = (((-4, -4), (4, -4), (4, 4), (-4, 4)), ((0, -6), (6, 0), (0, 6), (-6, 0)), ((0, -6), (5, 4), (-5, 4)))


class Axes:
    """Where a ratio of latency and an SQNR lie; the ratio's axis is logarithmic."""

    def __init__(self, rows: Sequence[tuple[Row, float, float]]) -> None:
        ratios, levels = [x for _, x, _ in rows] or [1.0], [y for _, _, y in rows] or [0.0]
        self.low, self.high = min(*ratios, 0.5) / 1.1, max(*ratios, 1.2) * 1.1
        self.bottom = STEP_DB * math.floor(min(*levels, 0.0) / STEP_DB)
        self.top = STEP_DB * math.ceil((max(*levels, STEP_DB) + 1) / STEP_DB)

    def x(self, ratio: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(ratio / self.low) / math.log(self.high / self.low)

    def y(self, level: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (self.top - level) / (self.top - self.bottom)


def figure(rows: Sequence[Row]) -> str:
    """The SVG text. Rows without both numbers are left out."""
    whole = [(row, row.x_float, row.sqnr_db) for row in rows if row.x_float is not None and row.sqnr_db is not None]
    shown = [(row, x, y) for row, x, y in whole if math.isfinite(y) and x > 0]
    axes = Axes(shown)
    size = f'xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img"'
    models = len({(row.group, row.model) for row, _, _ in shown})
    parts = [f"<svg {size}>", "<title>SQNR against latency, edgeq and its peers</title>", STYLE]
    parts.append(f'<rect class="page" width="{WIDTH}" height="{HEIGHT}"/>')
    parts.append(_text(LEFT, 22, f"{models} models: closer to float is up, faster is left", "title"))
    parts += [*_grid(axes), *_joins(axes, shown), *_marks(axes, shown), *_legend(sorted({row.tool for row, _, _ in shown})), "</svg>"]
    return "\n".join(parts) + "\n"


def _text(x: float, y: float, words: str, kind: str = "", anchor: str = "start", turn: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}"{turn}>{escape(words)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _grid(axes: Axes) -> Iterator[str]:
    for ratio in RATIOS:
        if axes.low <= ratio <= axes.high:
            x = axes.x(ratio)
            yield _line(x, TOP, x, HEIGHT - BOTTOM, "even" if ratio == 1.0 else "grid")
            yield _text(x, HEIGHT - BOTTOM + 18, f"{ratio:g}", anchor="middle")
    for level in range(axes.bottom, axes.top + 1, STEP_DB):
        y = axes.y(level)
        yield _line(LEFT, y, WIDTH - RIGHT, y, "grid")
        yield _text(LEFT - 8, y + 4, str(level), anchor="end")
    yield _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, "latency, times that of the float model (1 thread, batch 1)", anchor="middle")
    middle = (TOP + HEIGHT - BOTTOM) / 2
    yield _text(20, middle, "SQNR on held-out samples, dB", anchor="middle", turn=f' transform="rotate(-90 20 {middle:.1f})"')


def _joins(axes: Axes, shown: Sequence[tuple[Row, float, float]]) -> Iterator[str]:
    """A line from edgeq's point of a model to each of its peers'."""
    ours = {(row.group, row.model): (x, y) for row, x, y in shown if row.tool == OURS}
    for row, x, y in shown:
        if row.tool != OURS and (row.group, row.model) in ours:
            other = ours[row.group, row.model]
            yield _line(axes.x(x), axes.y(y), axes.x(other[0]), axes.y(other[1]), "join")


def _marks(axes: Axes, shown: Sequence[tuple[Row, float, float]]) -> Iterator[str]:
    peers = sorted({row.tool for row, _, _ in shown} - {OURS})
    for row, x, y in sorted(shown, key=lambda one: one[0].tool == OURS):  # edgeq's lie on top
        words = f"{row.model} ({row.group}), {row.tool}: {y:.1f} dB, {x:.2f} x float"
        yield f"<g><title>{escape(words)}</title>{_mark(axes.x(x), axes.y(y), row.tool, peers)}</g>"


def _mark(x: float, y: float, tool: str, peers: Sequence[str]) -> str:
    if tool == OURS:
        return f'<circle class="ours" cx="{x:.1f}" cy="{y:.1f}" r="5"/>'
    corners = SHAPES[peers.index(tool) % len(SHAPES)]
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
    return f'<polygon class="peer" points="{points}"/>'


def _legend(tools: Sequence[str]) -> Iterator[str]:
    peers, x = [tool for tool in tools if tool != OURS], LEFT + 6.0
    for tool in (*[tool for tool in tools if tool == OURS], *peers):
        yield _mark(x, 42, tool, peers)
        yield _text(x + 12, 46, tool)
        x += 26 + 6.8 * len(tool)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=Path, nargs="*", help=f"CSV files beside those of {FOLDER.relative_to(ROOT)}")
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "docs" / "benchmarks.svg")
    parser.add_argument("--table", action="store_true", help="print the table and write nothing")
    args = parser.parse_args()
    rows = read_rows([*sorted(FOLDER.glob("*.csv")), *args.rows])
    if args.table:
        print("\n".join(table(rows)))
    else:
        args.out.write_text(figure(rows), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
