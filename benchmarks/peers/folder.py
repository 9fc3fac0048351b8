"""Every model of a folder through comparison.py: edgeq beside the peer's static mode, as rows.

    # NAME.onnx with NAME.calib.npz and NAME.eval.npz
    python -m benchmarks.peers.folder DIR --group strangers --rows strangers.csv
    # NAME.KIND.onnx with NAME.npz and NAME.eval.npz; one of them
    python -m benchmarks.peers.folder DIR --group archs --rows archs.csv --models vit_tiny.ts

A model that lacks its data, or that a tool fails on, is named with the reason. The file is written
after every model: a run that is stopped keeps what it has, and the same command goes on after it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures.rows import Row, Run, read_rows, write_rows
from benchmarks.peers import comparison, one_model, tools


@dataclass(frozen=True)
class Found:
    """A model with its data."""

    name: str
    model: Path
    calib: Path
    data: Path


def models_of(folder: Path) -> Iterator[Found | str]:
    """The models of a folder in the order of their names; a line for one that lacks data."""
    for model in sorted(folder.glob("*.onnx")):
        name = model.name.removesuffix(".onnx")
        short = name.rsplit(".", 1)[0]
        calib = next((path for path in (folder / f"{name}.calib.npz", folder / f"{short}.npz") if path.is_file()), None)
        data = next((path for one in (name, short) if (path := folder / f"{one}.eval.npz").is_file()), None)
        yield f"{name}: skipped, it has no .npz to calibrate with" if calib is None else Found(name, model, calib, data or calib)


def rows_of(group: str, found: Found, args: argparse.Namespace) -> list[Row]:
    """A row for each tool on one model."""
    run = Run.now()
    with tempfile.TemporaryDirectory() as folder:
        result = comparison.compare(found.model, found.calib, found.data, args, Path(folder))
    print(comparison.table(result), flush=True)
    return comparison.rows_of(group, found.name, result, run)


def main() -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw, parents=[one_model.parser(add_help=False)])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--group", required=True, help="what the collection is called in tables")
    parser.add_argument("--rows", type=Path, required=True, help="the CSV file to write, or to go on with")
    parser.add_argument("--models", type=tools.words, default=(), help="names, comma-separated; default: all")
    parser.set_defaults(peers=("minmax",))
    args = parser.parse_args()
    if not args.folder.is_dir():
        print(f"{args.group}: skipped, there is no folder {args.folder}")
        return 0
    go_on(args, args.group, lambda found: rows_of(args.group, found, args))
    return 0


def go_on(args: argparse.Namespace, group: str, measure: Callable[[Found], list[Row]]) -> None:
    """Measure the models of a folder that --rows does not have yet; it is written after each."""
    rows = read_rows([args.rows]) if args.rows.is_file() else []
    done = {row.model for row in rows if row.group == group}
    for found in models_of(args.folder):
        if isinstance(found, str):
            print(found, flush=True)
        elif found.name not in done and (not args.models or found.name in args.models):
            try:
                rows += measure(found)
            except Exception as error:  # the float model itself may not run on its data
                print(f"{found.name}: skipped: {str(error)[:200]}", flush=True)
            write_rows(args.rows, rows)


if __name__ == "__main__":
    sys.exit(main())
