"""Bars and histograms as SVG, for the figures of docs/concepts.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from edgeq.numerics.arrays import AnyArray

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 300, 56, 16, 52, 48
STYLE = """<style>
svg { --ink: #24292f; --faint: #d0d7de; --page: #ffffff; --a: #0550ae; --b: #bc4c00; --c: #57606a; }
@media (prefers-color-scheme: dark) {
svg { --ink: #e6edf3; --faint: #30363d; --page: #0d1117; --a: #79c0ff; --b: #ffa657; --c: #9ea7b3; } }
text { fill: var(--ink); font: 12px system-ui, sans-serif; } .title { font-size: 14px; font-weight: 600; }
.page { fill: var(--page); } .axis { stroke: var(--faint); } .a { fill: var(--a); } .b { fill: var(--b); } .c { fill: var(--c); }
.end-a { stroke: var(--a); stroke-width: 2; } .end-b { stroke: var(--b); stroke-width: 2; stroke-dasharray: 5 3; }
</style>"""
#: bars of a histogram
BINS = 90


@dataclass(frozen=True)
class Group:
    """The bars of one layer."""

    #: name of the layer
    name: str
    #: one value a series, dB
    values: tuple[float, ...]


def histogram(name: str, values: AnyArray, whole: tuple[float, float], kept: tuple[float, float]) -> str:
    """Bars of logarithmic height, with the ends of both ranges."""
    low, high = min(whole[0], kept[0]), max(whole[1], kept[1])
    counts, _ = np.histogram(values, BINS, (low, high))
    clipped = 100 * float(np.mean((values < kept[0]) | (values > kept[1])))
    steps = span(whole) / 255, span(kept) / 255
    title = f"{name}: rule mse clips {clipped:.2g} % of the values"
    at = lambda value: LEFT + (WIDTH - LEFT - RIGHT) * (value - low) / (high - low)  # noqa: E731
    wide, top = (WIDTH - LEFT - RIGHT) / BINS, np.log10(counts.max() + 1)
    parts = [_rect(LEFT + place * wide, np.log10(count + 1) / top, wide - 1, "c") for place, count in enumerate(counts) if count]
    for ends, kind in ((whole, "end-b"), (kept, "end-a")):
        parts += [f'<line class="{kind}" x1="{at(end):.1f}" x2="{at(end):.1f}" y1="{TOP - 14}" y2="{HEIGHT - BOTTOM}"/>' for end in ends]
    parts += [_text(at(end), HEIGHT - BOTTOM + 16, f"{end:.2f}", anchor="middle") for end in (low, 0.0, kept[1], high)]
    parts.append(
        _text(WIDTH / 2, TOP - 10, f"dashed: minmax, steps of {steps[0]:.3f}; solid: mse, steps of {steps[1]:.3f}", anchor="middle")
    )
    parts.append(_text(WIDTH / 2, HEIGHT - 10, "value; the height of a bar is the logarithm of how often it occurs", anchor="middle"))
    return _drawn(title, parts)


def span(ends: tuple[float, float]) -> float:
    return ends[1] - ends[0]


def bars(title: str, groups: Sequence[Group], series: Sequence[str]) -> str:
    """One group of bars a layer, in dB."""
    top = max(value for group in groups for value in group.values)
    room = (WIDTH - LEFT - RIGHT) / len(groups)
    wide, kinds, parts = min(26.0, 0.8 * room / len(series)), ("c", "b", "a")[-len(series) :], []
    for place, group in enumerate(groups):
        middle = LEFT + room * (place + 0.5)
        for at, (value, kind) in enumerate(zip(group.values, kinds, strict=True)):
            x = middle + (at - len(series) / 2) * wide
            parts += [_rect(x, value / top, wide - 2, kind), _text(x + wide / 2 - 1, _y(value / top) - 4, f"{value:.0f}", anchor="middle")]
        parts.append(_text(middle, HEIGHT - BOTTOM + 16, group.name.replace("BatchNormalization", "BatchNorm"), anchor="middle"))
    for at, (words, kind) in enumerate(zip(series, kinds, strict=True)):
        parts += [
            f'<rect class="{kind}" x="{LEFT + 190 * at}" y="{HEIGHT - 20}" width="11" height="11"/>',
            _text(LEFT + 190 * at + 17, HEIGHT - 10, words),
        ]
    parts.append(_text(8, TOP - 4, "dB"))
    return _drawn(title, parts)


def _y(share: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM - 14) * share


def _rect(x: float, share: float, width: float, kind: str) -> str:
    y = _y(max(share, 0.0))
    return f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{HEIGHT - BOTTOM - y:.1f}"/>'


def _text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'


def _drawn(title: str, parts: Sequence[str]) -> str:
    size = f'xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img"'
    ground = f'<rect class="page" width="{WIDTH}" height="{HEIGHT}"/>'
    floor = f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{HEIGHT - BOTTOM}" y2="{HEIGHT - BOTTOM}"/>'
    whole = [f"<svg {size}>", f"<title>{escape(title)}</title>", STYLE, ground, _text(LEFT, 20, title, "title"), *parts, floor, "</svg>"]
    return "\n".join(whole) + "\n"
