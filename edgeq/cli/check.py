"""`edgeq check`: check a quantized model, of any tool, against the facts of a target."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from edgeq.cli import options as o
from edgeq.cli.asked import Asked, offers
from edgeq.errors import FloorMissed
from edgeq.io.reasons import grouped, shown

if TYPE_CHECKING:
    from edgeq.integers.legality.violation import Violation

EXAMPLE = """    edgeq check model.int8.onnx --target npu_int8

    edgeq check peers_model.onnx --target ./my_npu.toml --json"""


#: of what nodes have that break one fact, as many are shown
OBSERVED_SHOWN = 3


@offers("max_bytes")
def check(
    asked: Asked,
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A quantized ONNX model: Q/DQ or QOperator form, of any tool.")],
    target: o.Target,
) -> None:
    """Check a quantized model against a target: node, value, source and fix for each violation.

    What breaks no fact of the target, but loses precision, is a warning, and the exit code is 0.
    """
    from edgeq.cli.printed.forms import Checked
    from edgeq.questions import check as check_model
    from edgeq.schema.target import load_target

    facts = load_target(target)
    found = check_model(asked.load_model(model, quantized=True), facts)
    broken, warnings = ([one for one in found if one.breaks == kind] for kind in ("fact", "warning"))
    result = Checked(model, facts.name, tuple(broken), tuple(warnings))
    asked.screen.show(result, lambda: violations_text(broken, facts.name))
    for one in warnings:
        asked.screen.warn(f"{one.rule}, {one.node}: {one.observed}; {one.fact}. {one.fix}")
    if broken:
        broke, places = len({(one.rule, one.fact) for one in broken}), len(broken)
        counted = f"{broke} fact{'s' if broke > 1 else ''} of {facts.name}, in {places} place{'s' if places > 1 else ''}"
        raise FloorMissed(
            f"The model breaks {counted}.", str(model), "Correct them as said above, or quantize the float model for this target."
        )


def violations_text(found: Sequence[Violation], target: str) -> RenderableType:
    """The text of the result, with one paragraph for each fact that nodes break alike."""
    if not found:
        return Text(f"legal on {target}", "green")
    parts: list[RenderableType] = []
    rows = dict.fromkeys((one.node, one.op_type, (one.rule, one.fact, one.source, one.fix)) for one in found)  # each node once
    groups, more = shown(grouped(rows))
    for group in groups:
        rule, fact, source, fix = group.cause
        observed = _first(one.observed for one in found if (one.rule, one.fact, one.source, one.fix) == group.cause)
        several = f"{len(group.names)} nodes: {group.types}: {group.named}"
        one_node = f"{group.named} ({group.types})" if group.named else "the model"
        parts.append(Text.assemble((f"{rule}  ", "bold yellow"), several if len(group.names) > 1 else one_node))
        parts.append(Text(f"  has     {observed}\n  fact    {fact}"))
        parts.append(Text(f"  source  {source}\n  fix     {fix}\n", "dim"))
    return Group(*parts, *([Text(f"and {more}: --json lists every node")] if more else []))


def _first(observed: Iterable[str]) -> str:
    """What was seen, each once: the first, and how many others there are."""
    different = list(dict.fromkeys(observed))
    more = len(different) - OBSERVED_SHOWN
    return "; ".join(different[:OBSERVED_SHOWN]) + (f"; and {more} others" if more > 0 else "")
