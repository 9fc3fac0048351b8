"""The peer in a process of its own: onnxruntime.quantization with its recommended flow, one mode a
run.

    python -m benchmarks.peers.ort_peer MODEL.onnx OUT.onnx --calib CALIB.npz --mode percentile

Modes: minmax, percentile (99.999), entropy: static QDQ, U8 activations, S8 weights per channel; the
same with _reduced: 7-bit weights, which onnxruntime recommends for x86 without VNNI; dynamic:
weights S8 per channel, no data.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import onnx
import onnxruntime as ort
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from benchmarks.measures.feeds import Feed, feeds
from benchmarks.measures.sessions import ranks

METHODS = {"minmax": CalibrationMethod.MinMax, "percentile": CalibrationMethod.Percentile, "entropy": CalibrationMethod.Entropy}
MODES = (*METHODS, *(f"{name}_reduced" for name in METHODS), "dynamic")


class NpzReader(CalibrationDataReader):
    """One sample a feed: onnxruntime keeps what it is given, so larger batches gain nothing."""

    def __init__(self, model: Path, path: Path, samples: int) -> None:
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self._feeds: Iterator[Feed] = feeds(path, ranks(session), samples)

    def get_next(self) -> Feed | None:
        return next(self._feeds, None)


def preprocess(model: Path, out: Path) -> str:
    """onnxruntime's own preparation; without symbolic shapes where those fail. Returns what was
    done.
    """
    try:
        quant_pre_process(str(model), str(out), auto_merge=True)
        return "quant_pre_process"
    except Exception as error:  # the peer's own failures have no common base
        try:
            quant_pre_process(str(model), str(out), skip_symbolic_shape=True)
            return f"quant_pre_process without symbolic shapes ({type(error).__name__})"
        except Exception as second:
            onnx.save(onnx.load(model), out)
            return f"no quant_pre_process ({type(second).__name__}: {str(second)[:80]})"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--calib", type=Path, required=True)
    parser.add_argument("--mode", choices=MODES, required=True)
    parser.add_argument("--samples", type=int, default=100)
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder) / "ready.onnx"
        print(preprocess(args.model, ready))
        if args.mode == "dynamic":
            quantize_dynamic(str(ready), str(args.out), per_channel=True, weight_type=QuantType.QInt8)
            return 0
        quantize_static(
            str(ready),
            str(args.out),
            NpzReader(ready, args.calib, args.samples),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=METHODS[args.mode.removesuffix("_reduced")],
            reduce_range=args.mode.endswith("_reduced"),
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
