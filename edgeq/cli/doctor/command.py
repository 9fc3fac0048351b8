"""`edgeq doctor`: what this machine can prove, and what is missing for more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from edgeq.cli.asked import Asked, offers

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from edgeq.cli.doctor.facts import ColumnRow, Doctor, ExtraRow

EXAMPLE = """    edgeq doctor

    edgeq doctor --measure    (also times kernels, in a minute or two: which column of costs is like this machine)"""

#: turns of each chain of kernels: enough to tell machines apart, fewer than `edgeq targets tune`
ROUNDS = 3
WORDS = {
    "placement_and_latency": "placement, fidelity and latency",
    "placement": "placement and fidelity",
    "fidelity": "fidelity, computed by onnxruntime",
}


@offers()
def doctor(
    asked: Asked,
    measure: Annotated[bool, typer.Option("--measure", help="Time kernels, and name the column of costs that is most like them.")] = False,
) -> None:
    """Say what this machine can prove: processor, runtimes, extras that are missing, targets."""
    from edgeq.cli.doctor.facts import findings

    found = findings(_column(asked) if measure else None)
    asked.screen.show(found, lambda: doctor_text(found))


def _column(asked: Asked) -> ColumnRow | None:
    from edgeq.cli.doctor.facts import ColumnRow
    from edgeq.schema.target import load_target
    from edgeq.tuning.tune import measured, most_like, processor

    cost = load_target("cpu").cost
    columns = {} if cost is None else dict(cost.columns)
    with asked.screen.progress() as progress:
        near = most_like(measured(1, progress, ROUNDS, "edgeq doctor", processor()), columns)
    return None if near is None else ColumnRow(near[0], columns[near[0]].machine, near[1])


def doctor_text(found: Doctor) -> RenderableType:
    """The findings, section by section, with what to do about what is missing."""
    from rich.console import Group
    from rich.text import Text

    machine = found.machine
    lines = [
        Text.assemble(("edgeq ", "bold"), f"{found.edgeq}, Python {found.python}"),
        Text.assemble(("machine ", "bold"), f"{machine.name}, {machine.architecture or 'another architecture'}, {machine.cores} cores"),
        Text(f"  {_vnni(machine.vnni)}"),
    ]
    if found.column is not None:
        one = found.column
        lines.append(Text(f"  costs: most like the column {one.name} ({one.machine}), {one.factor:.2f}x apart"))
    else:
        lines.append(Text("  costs: edgeq doctor --measure tells which column of the target cpu is like this machine", "dim"))
    lines.append(Text("runtimes", "bold"))
    for row in found.runtimes:
        state = Text(row.version, "green") if row.version else Text(f"not installed: {row.install}", "yellow")
        lines.append(Text.assemble(f"  {row.name:<12}{row.takes:<8}", state))
    lines.append(Text("extras", "bold"))
    lines += [Text.assemble(f"  {extra.name:<12}{extra.purpose}: ", _missing(extra)) for extra in found.extras]
    lines.append(Text("targets, and what can be proven here", "bold"))
    for target in found.targets:
        runtimes = f" ({', '.join(target.runtimes)})" if target.runtimes else ""
        lines.append(Text(f"  {target.name:<14}{WORDS[target.proves]}{runtimes}"))
    for line in lines:  # a command that is to be pasted must not be broken
        line.no_wrap, line.overflow = True, "ignore"
    return Group(*lines)


def _missing(extra: ExtraRow) -> Text:
    from rich.text import Text

    if not extra.missing:
        return Text("complete", "green")
    return Text(f"missing {', '.join(extra.missing)}: pip install 'edgeq[{extra.name}]'", "yellow")


def _vnni(has: bool | None) -> str:
    if has is None:
        return "int8 products: the operating system does not tell how they are added"
    if has:
        return "int8 products are added in int32 (VNNI or dot products): no sum saturates"
    return "no VNNI: pairs of int8 products are added in int16; models for the target cpu keep clear of its ends"
