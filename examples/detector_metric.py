"""A detector, and a metric of one's own that decides how much of it may run in integers.

    python examples/detector_metric.py --out /tmp/boxes

makes images with one bright rectangle each, fits a small network that answers with its corners, and
quantizes it to weights of 4 bits with one metric, the mean overlap of boxes: by ranges alone, held
to a largest loss (`--max-drop`), and by a search that keeps layers in float until the loss is small
enough. The files in the folder serve the command line as well:

    edgeq compare boxes.onnx boxes.int8.onnx -d boxes.npz --max-drop 1.5 --metric FILE:mean_iou

where FILE is the path of this script.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
import onnxruntime  # type: ignore[import-untyped]  # ships no types
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

import edgeq

#: side of the images in pixels
SIDE = 24

F32 = NDArray[np.float32]


def mean_iou(outputs: F32, labels: F32) -> float:
    """Mean intersection over union of the boxes found and the true ones, both [N, 4]: corners."""
    low, high = np.maximum(outputs[:, :2], labels[:, :2]), np.minimum(outputs[:, 2:], labels[:, 2:])
    shared = np.clip(high - low, 0, None).prod(1)
    areas = [np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(1) for boxes in (outputs, labels)]
    return float(np.mean(shared / np.maximum(areas[0] + areas[1] - shared, 1e-9)))


def images(count: int, seed: int) -> tuple[F32, F32]:
    """Images [N, 1, 24, 24] with a bright rectangle in noise, and its corners [N, 4] in pixels."""
    rng = np.random.default_rng(seed)
    pixels = rng.normal(0.0, 0.05, (count, 1, SIDE, SIDE)).astype(np.float32)
    low = rng.integers(1, SIDE - 12, (count, 2))
    boxes = np.concatenate([low, low + rng.integers(6, 12, (count, 2))], 1)
    for picture, (x1, y1, x2, y2) in zip(pixels, boxes, strict=True):
        picture[0, y1:y2, x1:x2] += rng.uniform(0.6, 1.0)
    return pixels, boxes.astype(np.float32)


def detector(pixels: F32, boxes: F32) -> onnx.ModelProto:
    """A network of random features, with a last layer fitted to the boxes by least squares."""
    rng = np.random.default_rng(0)
    constants = {
        "w1": rng.normal(0, 0.4, (8, 1, 3, 3)), "b1": rng.normal(0, 0.1, 8),
        "w2": rng.normal(0, 0.15, (12, 8, 3, 3)), "b2": rng.normal(0, 0.1, 12),
    }  # fmt: skip
    body = [
        helper.make_node("Conv", ["image", "w1", "b1"], ["c1"], "first", pads=[1] * 4),
        helper.make_node("Relu", ["c1"], ["r1"], "relu1"),
        helper.make_node("MaxPool", ["r1"], ["p1"], "pool1", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["p1", "w2", "b2"], ["c2"], "second", pads=[1] * 4),
        helper.make_node("Relu", ["c2"], ["r2"], "relu2"),
        helper.make_node("MaxPool", ["r2"], ["p2"], "pool2", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["p2"], ["features"], "flatten"),
    ]
    width = 12 * (SIDE // 4) ** 2
    session = onnxruntime.InferenceSession(_model(body, constants, "features", width).SerializeToString())
    features = session.run(None, {"image": pixels})[0]
    rows = np.concatenate([features, np.ones((len(features), 1), np.float32)], 1)
    fitted = np.linalg.solve(rows.T @ rows + 1e-1 * np.eye(width + 1), rows.T @ boxes)
    constants |= {"w3": fitted[:-1], "b3": fitted[-1]}
    return _model([*body, helper.make_node("Gemm", ["features", "w3", "b3"], ["boxes"], "head")], constants, "boxes", 4)


def _model(nodes: list[onnx.NodeProto], constants: dict[str, NDArray[np.float64]], output: str, width: int) -> onnx.ModelProto:
    given = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 1, SIDE, SIDE])
    made = helper.make_tensor_value_info(output, TensorProto.FLOAT, ["N", width])
    stored = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "boxes", [given], [made], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def main() -> None:
    """Fit the detector, quantize it by its metric, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the model and the data")
    parser.add_argument("--minutes", type=float, default=1.0, help="time of the search")
    parser.add_argument("--max-drop", type=float, default=1.5, help="hundredths of the mean overlap that may be lost")
    words = parser.parse_args()
    words.out.mkdir(parents=True, exist_ok=True)
    model = detector(*images(1200, seed=1))
    pixels, boxes = images(120, seed=2)
    onnx.save(model, words.out / "boxes.onnx")
    np.savez(words.out / "boxes.npz", image=pixels, labels=boxes)
    sizes = {"weight_bits": 4, "placement": {"prefer": "integers"}, "floors": {"max_drop": words.max_drop}}
    data = {"image": pixels, "labels": boxes}
    quick = edgeq.quantize(model, data, metric=mean_iou, recipe={"effort": "fast"} | sizes)
    found = edgeq.quantize(model, data, metric=mean_iou, recipe={"effort": "best", "minutes": words.minutes} | sizes)
    for name, made in (("ranges alone", quick), ("after a search", found)):
        assert made.accuracy is not None
        print(f"{name}: mean_iou {made.accuracy.float:.4f} in float, {made.accuracy.int8:.4f} in int8; floors {made.report.gate}")
    assert found.report.search is not None
    (chosen,) = [point for point in found.report.search.points if point.chosen]
    print(f"the search chose {chosen.name}: {chosen.integer_pct:.0f} % of the work in integers")
    found.save(words.out / "boxes.int8.onnx", force=True)


if __name__ == "__main__":
    main()
