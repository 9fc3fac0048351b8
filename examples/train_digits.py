"""Train the small CNN that edgeq ships and write the calibration set `digits` around it.

    pip install torch scikit-learn onnx onnxruntime onnxscript
    python examples/train_digits.py --out calibration_sets/digits

Data: scikit-learn's digits (1,797 images of 8x8, values 0..16), doubled to 16x16 by bilinear
interpolation and stored as uint8. The network has what edge networks have: Conv-BN-ReLU, a
depthwise Conv, a residual Add, HardSwish, Concat, GlobalAveragePool, Gemm. BatchNorm stays unfolded
in the file, because folding it is edgeq's work. Everything is seeded.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime  # type: ignore[import-untyped]  # ships no types
import torch
from sklearn.datasets import load_digits  # type: ignore[import-untyped]  # ships no types
from torch import Tensor, nn
from torch.nn import functional

#: images for training, of which the first few are the calibration split; the rest is evaluation
TRAINING, CALIBRATION = 1200, 128
OPSET = 17

SET_TOML = """\
schema_version = 1
name = "digits"
title = "Handwritten digits, 16x16 gray, 10 classes, with a small CNN"
licence = "CC BY 4.0 (E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits, UCI, doi 10.24432/C50P49)"
source = "scikit-learn's load_digits(), doubled to 16x16 by bilinear interpolation (examples/train_digits.py)"
metric = "top1"
model = "digits.onnx"

[[input]]
name = "image"
layout = "NCHW"
channels = "gray"
scale = 0.00392156862745098  # 1/255: the network was trained on 0..1

[split.calibration]
file = "calibration.npz"  # image uint8 [{calibration}, 1, 16, 16], labels int64 [{calibration}]; part of the training images

[split.evaluation]
file = "evaluation.npz"  # image uint8 [{evaluation}, 1, 16, 16], labels int64 [{evaluation}]; never seen in training
"""

LICENSE = """\
The images in calibration.npz and evaluation.npz are derived from

    Optical Recognition of Handwritten Digits
    E. Alpaydin, C. Kaynak (1998). UCI Machine Learning Repository. https://doi.org/10.24432/C50P49

as shipped by scikit-learn (sklearn.datasets.load_digits). They are licensed under the
Creative Commons Attribution 4.0 International licence (CC BY 4.0): https://creativecommons.org/licenses/by/4.0/
Changes: values scaled from 0..16 to 0..255, images doubled from 8x8 to 16x16 by bilinear interpolation, shuffled and split.

digits.onnx was trained on these images by examples/train_digits.py of the edgeq project; it is under edgeq's licence, Apache-2.0.
"""


def conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Conv-BN; the padding keeps the size at stride 1."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    )


class DigitsNet(nn.Module):
    """image [N, 1, 16, 16] float32 in 0..1 -> logits [N, 10]."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv(1, 16)
        self.depthwise = conv(16, 16, stride=2, groups=16)
        self.pointwise = conv(16, 32, kernel=1)
        self.residual_a = conv(32, 32)
        self.residual_b = conv(32, 32)
        self.down = conv(32, 32, stride=2, groups=32)
        self.branch_a = conv(32, 32, kernel=1)
        self.branch_b = conv(32, 32, kernel=3)
        self.head = nn.Linear(64, 10)

    def forward(self, image: Tensor) -> Tensor:
        x = functional.relu(self.stem(image))  # 16x16
        x = functional.hardswish(self.depthwise(x))  # 8x8
        x = functional.hardswish(self.pointwise(x))
        y = functional.relu(self.residual_a(x))
        x = functional.relu(x + self.residual_b(y))
        x = functional.relu(self.down(x))  # 4x4
        x = torch.cat([functional.relu(self.branch_a(x)), functional.hardswish(self.branch_b(x))], 1)
        x = functional.adaptive_avg_pool2d(x, 1)
        scores: Tensor = self.head(torch.flatten(x, 1))
        return scores


def load_images(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """images uint8 [1797, 1, 16, 16], labels int64 [1797], shuffled."""
    digits = load_digits()
    small = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 16
    large = functional.interpolate(small, scale_factor=2, mode="bilinear", align_corners=False)
    images = (large * 255).round().to(torch.uint8).numpy()
    order = np.random.default_rng(seed).permutation(len(images))
    return images[order], digits.target[order].astype(np.int64)


def augment(images: Tensor) -> Tensor:
    """Each image turned, stretched and moved a little: 1,200 images are few."""
    count = len(images)
    angle = (torch.rand(count) - 0.5) * 0.5
    stretch = 1 + (torch.rand(count) - 0.5) * 0.3
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0], theta[:, 0, 1] = stretch * torch.cos(angle), -torch.sin(angle)
    theta[:, 1, 0], theta[:, 1, 1] = torch.sin(angle), stretch * torch.cos(angle)
    theta[:, :, 2] = (torch.rand(count, 2) - 0.5) * 0.3
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, align_corners=False)


def train(images: Tensor, labels: Tensor, epochs: int, batch: int, rate: float) -> DigitsNet:
    """Adam with a one-cycle rate; the random state must be seeded by the caller."""
    net = DigitsNet().train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=1e-2)
    steps = epochs * (len(images) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    for epoch in range(epochs):
        total = 0.0
        for part in torch.randperm(len(images))[: len(images) // batch * batch].view(-1, batch):
            loss = functional.cross_entropy(net(augment(images[part])), labels[part], label_smoothing=0.05)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
            total += loss.item() * len(part)
        print(f"epoch {epoch + 1:3d}/{epochs}  loss {total / len(images):.4f}", file=sys.stderr)
    return net.eval()


def export(net: DigitsNet, path: Path) -> None:
    """The network as ONNX: BatchNorm unfolded, batch dimension N, names free of the exporter."""
    torch.onnx.export(
        net,
        (torch.zeros(2, 1, 16, 16),),
        str(path),
        dynamo=False,
        training=torch.onnx.TrainingMode.PRESERVE,
        do_constant_folding=False,
        opset_version=OPSET,
        input_names=["image"],
        output_names=["logits"],
        dynamic_axes={"image": {0: "N"}, "logits": {0: "N"}},
    )
    model = onnx.load(path)
    rename(model.graph)
    model.producer_name, model.producer_version, model.doc_string = "train_digits.py", "", ""
    model.graph.name = "digits"
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def rename(graph: onnx.GraphProto) -> None:
    """Nodes: operator and running number; inner values: the name of the node that makes them."""
    kept = {value.name for value in [*graph.output, *graph.input, *graph.initializer]}
    names = {name: name for name in kept}
    counts: dict[str, int] = {}
    for node in graph.node:
        counts[node.op_type] = counts.get(node.op_type, 0) + 1
        node.name = f"{node.op_type}_{counts[node.op_type]}"
        node.doc_string = ""
        node.input[:] = [names[name] for name in node.input]
        for index, output in enumerate(node.output):
            names.setdefault(output, f"{node.name}_out{index or ''}")
            node.output[index] = names[output]
    del graph.value_info[:]


def accuracy(model: Path, images: np.ndarray, labels: np.ndarray) -> float:
    """Share of images that the ONNX file gets right in onnxruntime."""
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"image": images.astype(np.float32) * np.float32(1 / 255)})
    return float((logits.argmax(1) == labels).mean())


def write_set(out: Path, images: np.ndarray, labels: np.ndarray) -> None:
    """calibration.npz, evaluation.npz, set.toml and LICENSE."""
    np.savez_compressed(out / "calibration.npz", image=images[:CALIBRATION], labels=labels[:CALIBRATION])
    np.savez_compressed(out / "evaluation.npz", image=images[TRAINING:], labels=labels[TRAINING:])
    text = SET_TOML.replace("{calibration}", str(CALIBRATION)).replace("{evaluation}", str(len(images) - TRAINING))
    (out / "set.toml").write_text(text, encoding="utf-8", newline="\n")
    (out / "LICENSE").write_text(LICENSE, encoding="utf-8", newline="\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("calibration_sets/digits"), help="folder to write (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=80, help="passes over the training images (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=50, help="images a step (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=4e-3, help="highest learning rate (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the split, the weights and the augmentation (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="torch threads; 1 makes a rerun give the same bytes (default: %(default)s)")
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    torch.use_deterministic_algorithms(True)
    images, labels = load_images(options.seed)
    seen = torch.tensor(images[:TRAINING], dtype=torch.float32) / 255
    net = train(seen, torch.tensor(labels[:TRAINING]), options.epochs, options.batch, options.rate)

    options.out.mkdir(parents=True, exist_ok=True)
    model = options.out / "digits.onnx"
    export(net, model)
    write_set(options.out, images, labels)
    score = accuracy(model, images[TRAINING:], labels[TRAINING:])
    print(f"{model}: {model.stat().st_size} bytes, top-1 {score:.4f} on {len(images) - TRAINING} images never trained on")


if __name__ == "__main__":
    main()
