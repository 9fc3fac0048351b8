"""`edgeq formats`: list the number formats of weights, their bits, and what they run in."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from edgeq.cli.asked import Asked, offers

EXAMPLE = """    edgeq formats                                                             list the number formats of weights

    edgeq quantize model.onnx -d calib.npz --format two_level:16 -o model.int8.onnx"""


@dataclass(frozen=True)
class FormatRow:
    """A number format of weights."""

    #: as --format takes it, with its usual size
    name: str
    #: the sizes that may follow the name
    sizes: tuple[int, ...]
    #: bits of an element and its share of the scales of blocks
    nominal_bits: float
    #: numbers of the largest block that shares a scale; None: scales are of whole channels
    block: int | None
    #: what layers with such weights compute with, on targets that run integers
    compute: str
    #: what it is, for people
    about: str


@dataclass(frozen=True)
class FormatList:
    """edgeq formats."""

    formats: tuple[FormatRow, ...]


@offers()
def formats(asked: Asked) -> None:
    """List the number formats in which weights can be stored (--format)."""
    from edgeq.numerics.formats.table import families, format_words, parse_format

    found = []
    for word, family in zip(format_words(), families().values(), strict=True):
        form = parse_format(word)
        found.append(FormatRow(word, family.sizes, form.nominal_bits, form.block, form.compute, family.about))
    asked.screen.show(FormatList(tuple(found)), lambda: listing(found))


def listing(found: list[FormatRow]) -> RenderableType:
    """The text of the result, with one line per format."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("name", header_style="bold", no_wrap=True)
    for head in ("bits", "block"):
        table.add_column(head, header_style="bold", justify="right")
    for head in ("runs in", "what it is"):
        table.add_column(head, header_style="bold")
    for row in found:
        block = "" if row.block is None else str(row.block)
        more = "" if not row.sizes[1:] else f"; also :{', :'.join(str(size) for size in sorted(row.sizes[1:]))}"
        runs = "integers" if row.compute == "int8" else "float"
        table.add_row(Text(row.name, "cyan"), f"{row.nominal_bits:g}", block, runs, Text(row.about + more))
    return table
