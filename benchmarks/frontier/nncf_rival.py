"""NNCF on an ONNX model, in a process and an environment of its own, one mode a run.

    python -m benchmarks.frontier.nncf_rival MODEL.onnx OUT.onnx --calib CALIB.npz --mode accurate

Modes: fast: its default, with fast bias correction; accurate: bias correction layer after layer;
transformer: its settings for transformers.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path
from typing import Any

import onnx
import onnxruntime as ort

from benchmarks.measures.feeds import feeds

MODES = ("fast", "accurate", "transformer")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--calib", type=Path, required=True)
    parser.add_argument("--mode", choices=MODES, required=True)
    parser.add_argument("--samples", type=int, default=100)
    args = parser.parse_args()
    nncf: Any = importlib.import_module("nncf")  # not in the environment of edgeq
    session = ort.InferenceSession(str(args.model), providers=["CPUExecutionProvider"])
    samples = list(feeds(args.calib, {one.name: len(one.shape) for one in session.get_inputs()}, args.samples))
    made = nncf.quantize(
        onnx.load(args.model),
        nncf.Dataset(samples),
        subset_size=len(samples),
        fast_bias_correction=args.mode != "accurate",
        model_type=nncf.ModelType.TRANSFORMER if args.mode == "transformer" else None,
    )
    onnx.save(made, args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
