"""Draw the bits of every number format of weights, from the list that edgeq has, as one SVG.

    python -m benchmarks.figures.format_bits -o docs/formats.svg

A square is a bit: those of an element, then those of the scale of each level, and how many numbers
share it.
"""

from __future__ import annotations

import argparse
from html import escape
from pathlib import Path

from edgeq.numerics.formats.format import Format, Level
from edgeq.numerics.formats.table import format_words, in_floats, parse_format

BIT, GAP, ROW, TOP = 11, 14, 34, 58
NAMES, BITS_FROM, TEXT_FROM, WIDTH = 16, 140, 620, 900
#: fill and text of elements, scales of blocks, scales of channels and of the weight
COLOURS = {"element": "#2563a8", "block": "#c2691c", "channel": "#6b7280", "tensor": "#9aa1ab"}
LEGEND = (("element", "of an element"), ("block", "of a block's scale"), ("channel", "of a channel's"), ("tensor", "of the weight's"))
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1f2933}.n{font-weight:600}.s{font-size:11px;fill:#52606d}"
    "@media(prefers-color-scheme:dark){text{fill:#e4e7eb}.s{fill:#9aa5b1}}"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--out", type=Path, required=True, help="the SVG to write")
    args = parser.parse_args()
    args.out.write_text(picture())


def picture() -> str:
    """The whole SVG."""
    words = sorted(format_words(), key=lambda word: (in_floats(parse_format(word)).nominal_bits, word))
    rows = [_row(parse_format(word), TOP + ROW * place) for place, word in enumerate(words)]
    height = TOP + ROW * len(words) + 6
    legend = _legend()
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img">'
    title = "<title>The bits of each number format of weights</title>"
    return "\n".join([head, title, f"<style>{STYLE}</style>", legend, *rows, "</svg>", ""])


def _legend() -> str:
    parts, x = [], BITS_FROM
    for kind, words in LEGEND:
        parts += [_bits(x, 16, 1, kind), f'<text class="s" x="{x + 16}" y="26">{words}</text>']
        x += 130 if kind == "block" else 112
    heads = f'<text class="n" x="{NAMES}" y="26">format</text><text class="n" x="{TEXT_FROM}" y="26">bits a number</text>'
    return heads + "".join(parts)


def _row(runs: Format, y: int) -> str:
    """The row of a format, as layers have it that compute in floats."""
    form = in_floats(runs)
    parts = [f'<text class="n" x="{NAMES}" y="{y + 10}">{escape(form.name)}</text>', _bits(BITS_FROM, y, form.bits, "element")]
    x = BITS_FROM + form.bits * BIT + GAP
    for level in sorted(form.levels, key=_finest_first):
        kind = level.shared_by if isinstance(level.shared_by, str) else "block"
        count = min(level.bits, 8)  # 32 bits are shown as eight, with their number
        shared = f"for {level.shared_by}" if isinstance(level.shared_by, int) else f"{level.bits} bits"
        parts += [_bits(x, y, count, kind), f'<text class="s" x="{x + count * BIT + 4}" y="{y + 9}">{shared}</text>']
        x += count * BIT + 62
    parts.append(f'<text x="{TEXT_FROM}" y="{y + 10}">{_sum(form, runs)}</text>')
    return "".join(parts)


def _finest_first(level: Level) -> int:
    return level.shared_by if isinstance(level.shared_by, int) else {"channel": 1 << 20, "tensor": 1 << 21}[level.shared_by]


def _sum(form: Format, runs: Format) -> str:
    """The nominal bits as a sum, and what layers with such weights compute in."""
    terms = [str(form.bits)] + [f"{level.bits}/{level.shared_by}" for level in form.levels if isinstance(level.shared_by, int)]
    total = f" = {form.nominal_bits:g}" if len(terms) > 1 else ""
    return f"{' + '.join(terms)}{total}, runs in {'integers' if runs.compute == 'int8' else 'float'}"


def _bits(x: int, y: int, count: int, kind: str) -> str:
    return "".join(
        f'<rect x="{x + place * BIT}" y="{y}" width="{BIT - 1}" height="{BIT}" rx="1" fill="{COLOURS[kind]}"/>' for place in range(count)
    )


if __name__ == "__main__":
    main()
