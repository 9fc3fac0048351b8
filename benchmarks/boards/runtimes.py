"""The zoo's models in the runtimes of int8 devices: task metric, agreement with the ONNX int8
model, placement.

    # LiteRT, TFLite Micro, Vela on seven networks
    python -m benchmarks.boards.runtimes --json runtimes.json
    python -m benchmarks.boards.runtimes --models resnet8_cifar10 --samples 200
    python -m benchmarks.boards.runtimes --runtimes openvino,qnn --target qnn_htp

Needs the extra [backends] and the zoo: EDGEQ_ZOO or ../shared/zoo beside the repository.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import numpy as np

from benchmarks.measures.model_zoo import find_zoo
from edgeq.api import quantize
from edgeq.data.open import open_dataset
from edgeq.graph.signature import input_specs
from edgeq.integers.emit import emit_tflite
from edgeq.io.load import load_model
from edgeq.passes.boundary.float_boundary import FloatBoundary
from edgeq.proof.elsewhere.handed import ProofSubject
from edgeq.proof.elsewhere.other_runtimes import prove_in
from edgeq.runtimes.table import RUNTIMES
from edgeq.runtimes.tflite.litert import LiteRt
from edgeq.schema.target import load_target

MODELS = (
    "resnet8_cifar10", "dscnn_kws", "mobilenetv1_025_vww", "fc_autoencoder_toycar", "mobilenetv1_025_imagenet", "resnet20_cifar10",
    "ppocr_cls_mbv3se",
)  # fmt: skip
#: inputs that the zoo leaves open
SHAPES = {"ppocr_cls_mbv3se": {"x": (1, 3, 48, 192)}}


def evaluator(folder: Path) -> ModuleType:
    """The zoo's evaluate.py, for its data and metrics."""
    spec = importlib.util.spec_from_file_location("evaluate", folder / "evaluate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def task_metric(evaluate: ModuleType, name: str, model: bytes, limit: int | None) -> dict[str, float]:
    """The task metric of a .tflite model in LiteRT with XNNPACK, over the evaluation split."""
    runs = LiteRt(model, "xnnpack")
    port, result = runs.inputs[0], runs.outputs[0]
    outputs = []
    for feeds in evaluate.feeds(name, "eval", limit, 1):
        x = next(iter(feeds.values()))
        codes = np.clip(np.rint(x / np.float32(port.scale)) + port.zero_point, -128, 127).astype(np.int8)
        (found,) = runs.run([codes.transpose(0, 2, 3, 1) if codes.ndim == 4 else codes])
        outputs.append([(found.astype(np.float32) - result.zero_point) * np.float32(result.scale)])
    return dict(evaluate.SPECS[name].score(outputs, "eval", limit))


def one(name: str, words: argparse.Namespace) -> list[dict[str, object]]:
    """Rows of one model."""
    zoo = find_zoo(None)
    evaluate, path, target = evaluator(zoo.folder), zoo.model(name), load_target(words.target)
    assert path is not None
    with tempfile.TemporaryDirectory() as folder:
        calib, held = Path(folder) / "calib.npz", Path(folder) / "eval.npz"
        zoo.evaluate("--export", name, "calib", str(calib), "--limit", "100")
        zoo.evaluate("--export", name, "eval", str(held), "--limit", str(words.samples))
        made = quantize(load_model(path), calib, target=target, shapes=SHAPES.get(name), prove=False)
        floats = made.model.clone()
        FloatBoundary()(floats)
        data = open_dataset(held, input_specs(floats))
        rows: list[dict[str, object]] = []
        for runtime in RUNTIMES:
            if runtime not in words.runtimes.split(","):
                continue
            for accelerator in ("ethos-u55-128", "ethos-u85-256") if runtime == "vela" else (None,):
                for proof in prove_in(runtime, ProofSubject(made.model), data, accelerator=accelerator):
                    row: dict[str, object] = {"model": name, "runtime": proof.runtime, "operators": len(proof.operators)}
                    row["integer"] = proof.integer
                    if proof.distance is not None:
                        first = proof.distance.outputs[0]
                        row |= {"samples": proof.distance.samples, "max_lsb": first.max_lsb, "mean_lsb": first.mean_lsb}
                        row |= {
                            "agreement": first.agreement,
                            "ties": first.ties,
                            "exact": first.exact,
                            "sqnr_db": first.sqnr_db,
                            "ms": proof.distance.ms,
                        }
                    rows.append(row)
        if target.runtime == "tflite":
            rows.append(
                {"model": name, "runtime": "litert xnnpack, task", **task_metric(evaluate, name, emit_tflite(made.model), words.limit)}
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--runtimes", default="litert,tflm,vela")
    parser.add_argument("--target", default="mcu_tflite")
    parser.add_argument("--samples", type=int, default=200, help="evaluation samples compared in every runtime")
    parser.add_argument("--limit", type=int, help="evaluation samples of the task metric; default: all")
    parser.add_argument("--json", type=Path)
    words = parser.parse_args()
    rows = []
    for name in words.models.split(","):
        for row in one(name, words):
            print(json.dumps(row), flush=True)
            rows.append(row)
    if words.json is not None:
        words.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
