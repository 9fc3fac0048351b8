"""`edgeq compare GOLDEN.npz BOARD.npz`: the first operator that a board computes otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgeq.errors import BadData, BadRecipe, FloorMissed
from edgeq.io.visible import visible

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edgeq.cli.asked import Asked
    from edgeq.integers.boards.compare import BoardComparison, BoardDifference, NamedGrid
    from edgeq.numerics.arrays import AnyArray

#: names that are listed before the rest becomes a count
SHOWN = 5


def compare_with_board(asked: Asked, golden: Path, board: Path) -> None:
    """Compare and show. Raises FloorMissed where the board differs, BadData, BadRecipe."""
    from edgeq.integers.boards.compare import compare_board

    for one in (golden, board):
        if one.suffix != ".npz":
            what = "Golden vectors and the codes of a board are both .npz files."
            raise BadData(what, str(one), "Give GOLDEN.npz and BOARD.npz, or two models and --data.")
    if asked.data is not None:
        raise BadRecipe("Golden vectors hold their own samples.", "--data", "Leave --data out.")
    found = compare_board(_entries(golden), _entries(board), str(golden))
    asked.screen.show(found, lambda: board_text(found))
    if found.first is not None:
        raise FloorMissed(_sentence(found.first), str(board), _fix(found.first))


def _entries(path: Path) -> dict[str, AnyArray]:
    """The arrays of an .npz file. Raises BadData."""
    from edgeq.data.arrays.npy import npz_arrays
    from edgeq.integers.boards.golden_values import LARGEST_BYTES

    if not path.is_file():
        raise BadData("The file does not exist.", str(path), "Check the path.")
    found = npz_arrays(path)
    size = sum(one.header.nbytes for one in found.values())
    if size > 2 * LARGEST_BYTES:
        raise BadData(f"The file holds {size / 1e9:.1f} GB.", str(path), "Compare fewer samples or values at a time.")
    return {name: one.whole(size) for name, one in found.items()}


def _sentence(first: BoardDifference) -> str:
    what = f"Input {first.output.name}" if first.place is None else f"Operator {first.operator} ({first.op_type})"
    return f"{what} differs on the board."


def _fix(first: BoardDifference) -> str:
    if first.place is None:
        return "Feed the board in_NAME of the golden file: what follows cannot be judged."
    if first.rules:
        return "Change the board's kernel, or accept the rule that is named: what follows is computed of other codes."
    return "Dump the inputs of this operator too, and look at its kernel: no rule that edgeq tries gives these codes."


def board_text(found: BoardComparison) -> RenderableType:
    """The text of the result: the first difference with grids and rules, and what was compared."""
    from rich.console import Group
    from rich.text import Text

    from edgeq.report.figures import samples_text

    total = len(found.compared) + len(found.missing)
    lines = [Text(f"{len(found.compared)} of {total} values compared, {samples_text(found.samples)}", "dim")]
    for names, word in ((found.missing, "not in the board's file"), (found.unknown, "unknown to the golden file")):
        if names:
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            lines.append(Text(f"{word}: {visible(', '.join(names[:SHOWN]))}{more}", "dim"))
    if found.first is None:
        return Group(Text("nothing differs: every code that was compared is the golden one", "green"), *lines)
    return Group(*_difference(found.first), *lines)


def _difference(first: BoardDifference) -> list[RenderableType]:
    from rich.text import Text

    from edgeq.integers.boards.rules import WORDS

    where = "an input of the model" if first.place is None else f"operator {first.place + 1}, {first.op_type}"
    lines: list[RenderableType] = [Text.assemble((visible(first.operator), "bold yellow"), f"  {visible(where)}: the first that differs")]
    lines += [Text(f"  reads    {_grid(one)}") for one in first.inputs]
    lines.append(Text(f"  makes    {_grid(first.output)}"))
    share = 100 * first.differing / max(first.codes, 1)
    lines.append(Text(f"  off by   {first.largest} at most, in {first.differing} of {first.codes} codes ({share:.3g} %)"))
    lines.append(Text(f"  first    sample {first.index[0]}, {list(first.index[1:])}: golden {first.golden}, board {first.board}"))
    for number, rule in enumerate(first.rules):
        lines.append(
            Text.assemble("  rule     " if number == 0 else "  or       ", (WORDS[rule], "bold"), " gives exactly the board's codes")
        )
    if first.place is not None and not first.rules:
        lines.append(Text("  rule     none that edgeq tries gives the board's codes from its own inputs", "yellow"))
    if first.assumed:
        lines.append(Text(f"  inputs   {visible(', '.join(first.assumed))} not in the board's file: the golden codes stood in", "dim"))
    return lines


def _grid(one: NamedGrid) -> str:
    grid = "whole numbers" if one.grid is None else f"scale {one.grid.scale:.9g}, zero point {one.grid.zero_point}"
    return f"{visible(one.name)}: {one.dtype}, {grid}"
