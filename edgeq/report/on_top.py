"""What stands above all else in a report: doubtful data that was accepted, and no result at all."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text


def accepted_lines(accepted: Sequence[str]) -> list[Text]:
    """Doubts about the data that would have ended the run."""
    return [Text.assemble(("DOUBTFUL DATA: ", "bold red"), line) for line in accepted]


def untouched_lines(why: str | None) -> list[Text]:
    """That nothing was quantized, and why. why: None where something was."""
    return [] if why is None else [Text.assemble(("NOTHING WAS QUANTIZED: ", "bold red"), why)]
