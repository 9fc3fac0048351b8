"""edgeq beside the strongest rivals that install here, on every model of a folder, as rows.

    # NAME.onnx with NAME.calib.npz and NAME.eval.npz; environments are made where they are missing
    python -m benchmarks.frontier.run DIR --group zoo --environments ENVS --rows frontier.csv
    # weights of four bits on one model
    python -m benchmarks.frontier.run DIR --group zoo --environments ENVS --rows f.csv --widths w4a8

All tools get the same calibration samples and are judged on the same others, in the same run. One
that takes longer than the limit is "not finished"; one whose file does not load, or that does not
install, is named with the reason. The file is written after every model.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.figures.rows import Row, Run
from benchmarks.frontier.rivals import RIVALS, Widths, command_of, own_command, python_of
from benchmarks.peers import comparison, one_model, tools
from benchmarks.peers.comparison import Entry, entry_of, file_of
from benchmarks.peers.folder import Found, go_on


def entries_of(found: Found, widths: Widths, args: argparse.Namespace, folder: Path) -> list[Entry]:
    """What every tool makes of one model."""
    out = file_of(folder, "edgeq", "default")
    command = own_command(widths, (found.model, out, found.calib), args.samples)
    entries = [entry_of("edgeq", "default", command, out, args.limit_s)]
    for rival in (one for one in RIVALS if one.name in args.rivals):
        for mode in rival.modes.get(widths, ()):
            out = file_of(folder, rival.name, mode)
            try:
                command = command_of(rival, python_of(rival, args.environments), mode, (found.model, out, found.calib), args.samples)
            except subprocess.CalledProcessError as error:
                entries.append(Entry(rival.name, mode, 0.0, 0.0, error=f"does not install: {error}"))
                continue
            entries.append(entry_of(rival.name, mode, command, out, args.limit_s))
    return entries


def group_of(name: str, widths: Widths) -> str:
    """What the collection is called in tables, with other widths than 8 bits."""
    return name if widths == "w8a8" else f"{name}-{widths}"


def rows_of(found: Found, widths: Widths, args: argparse.Namespace) -> list[Row]:
    """A row for each tool on one model."""
    run = Run.now()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        result = comparison.judge(found.model, entries_of(found, widths, args, folder), found.data, args, folder)
    print(comparison.table(result), flush=True)
    return comparison.rows_of(group_of(args.group, widths), found.name, result, run)


def main() -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw, parents=[one_model.parser(add_help=False)])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--group", required=True, help="what the collection is called in tables")
    parser.add_argument("--environments", type=Path, required=True, help="the folder of the rivals' environments")
    parser.add_argument("--rows", type=Path, required=True, help="the CSV file to write, or to go on with")
    parser.add_argument("--models", type=tools.words, default=(), help="names, comma-separated; default: all")
    parser.add_argument("--rivals", type=tools.words, default=tuple(one.name for one in RIVALS), help="names, comma-separated")
    parser.add_argument("--widths", choices=("w8a8", "w4a8"), default="w8a8", help="bits of weights and activations")
    parser.add_argument("--limit-s", type=int, default=600, help="the most seconds of one tool on one model")
    args = parser.parse_args()
    go_on(args, group_of(args.group, args.widths), lambda found: rows_of(found, args.widths, args))
    return 0


if __name__ == "__main__":
    sys.exit(main())
