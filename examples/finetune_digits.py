"""Train the digits net, store its weights as codebooks of 8, 4, 2 and 1 bits, fine-tune those that
lose too much, export, and plot.

    pip install 'edgeq[learn,report]' scikit-learn
    python examples/finetune_digits.py --out digits-widths          (a few minutes on two cores)

The flow of Deep Compression (Han et al., arXiv:1510.00149) from Python;
`edgeq finetune --bits 8,4,2` is the same from the command line.

1. train       the network of train_digits.py on 1,200 of scikit-learn's digits: digits.onnx
2. palettize   k-means tables of integers for each width, measured without any training
3. fine-tune   only the widths that lose more than --max-drop points, or are further than
               --min-sqnr from the float net, with that net as teacher: digits.w4.onnx and so on
4. plot        accuracy and SQNR before and after, and sizes: widths.png

Judged on the 597 images that neither training sees; one of them is 0.17 points. The digits are
easy: what training gains shows in the SQNR.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from train_digits import TRAINING, export, load_images, train

from edgeq.few_bits.integer_widths import fine_tune_widths
from edgeq.few_bits.widths import Width, WidthsTask
from edgeq.io.load import load_model
from edgeq.progress import Silent
from edgeq.report.quantized import Quantized
from edgeq.schema.finetune import FineTuneWish
from edgeq.schema.recipe import Floors, Recipe
from edgeq.schema.target import load_target

MIB = 2**20
BLUE, ORANGE, GRAY = "#4c78a8", "#f58518", "#bab0ac"


def trained(images: np.ndarray, labels: np.ndarray, epochs: int, path: Path) -> None:
    """Step 1: the float network as ONNX. images float32 [N, 1, 16, 16] in 0..1."""
    export(train(torch.tensor(images), torch.tensor(labels), epochs, batch=50, rate=4e-3), path)


def tuned(model: Path, seen: dict[str, np.ndarray], unseen: dict[str, np.ndarray], options: argparse.Namespace) -> list[Width[Quantized]]:
    """Steps 2 and 3: every width, written as it is done. Labels are judged with; what is learned
    from is the float net.
    """
    tuning = FineTuneWish(epochs=options.tuning_epochs, centroids=options.centroids)
    recipe = Recipe(finetune=tuning, floors=Floors(max_drop=options.max_drop, min_sqnr=options.min_sqnr), seed=options.seed)
    found = []
    task = WidthsTask(load_model(model), seen, recipe, validation=unseen)
    for width in fine_tune_widths(task, options.bits, load_target("cpu"), Silent()):
        width.made.save(model.with_suffix(f".w{width.bits}.onnx"), force=True)
        model.with_suffix(f".w{width.bits}.plan.json").write_text(width.made.plan.to_json(), encoding="utf-8")
        print(line(width))
        found.append(width)
    return found


def accuracy(width: Width[Quantized], *, after: bool) -> float:
    """Top-1 in percent on the images never trained on."""
    report = (width.after if after and width.after is not None else width.before).report
    assert report.accuracy is not None  # the data has labels
    return 100 * report.accuracy.int8


def line(width: Width[Quantized]) -> str:
    """What came of a width, for the terminal."""
    size = width.made.report.size.int8_bytes / MIB
    before, after = (f"{accuracy(width, after=late):.2f} % ({sqnr(width, after=late):.1f} dB)" for late in (False, True))
    needed = f"{after} fine-tuned" if width.after is not None else "no fine-tuning needed"
    return f"{width.bits} bits: {size:.3f} MiB, {before} without training, {needed}"


def sqnr(width: Width[Quantized], *, after: bool) -> float:
    """How close the logits are to the float net's, in dB."""
    report = (width.after if after and width.after is not None else width.before).report
    assert report.fidelity is not None  # it was compared
    return report.fidelity.sqnr_db


def plot(found: list[Width[Quantized]], path: Path) -> None:
    """Step 4: accuracy and SQNR before and after, then size; the float model as a line."""
    first = found[0].before.report
    assert first.accuracy is not None
    figure = Figure(figsize=(14, 4), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    places, names = np.arange(len(found)), [f"{width.bits} bits" for width in found]
    for axes, measure in ((left, accuracy), (middle, sqnr)):
        axes.bar(places - 0.2, [measure(width, after=False) for width in found], 0.4, color=BLUE, label="k-means, no training")
        axes.bar(places + 0.2, [measure(width, after=True) for width in found], 0.4, color=ORANGE, label="after fine-tuning where needed")
    left.axhline(100 * first.accuracy.float, color=GRAY, label="float")
    left.set_ylim(min(accuracy(width, after=late) for width in found for late in (False, True)) - 1, 100)
    left.set(title="accuracy on unseen images", ylabel="top-1, %")
    middle.set(title="closeness to the float net", ylabel="SQNR of the logits, dB")
    right.bar(places, [width.made.report.size.int8_bytes / MIB for width in found], 0.6, color=BLUE)
    right.axhline(first.size.float_bytes / MIB, color=GRAY, label="float")
    right.set(title="size of the file", ylabel="MiB")
    for axes in (left, middle, right):
        axes.set_xticks(places, names)
    left.legend(loc="lower left")
    right.legend()
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("digits-widths"), help="folder to write (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=40, help="passes of the float training (default: %(default)s)")
    parser.add_argument("--tuning-epochs", type=int, default=20, help="passes of fine-tuning (default: %(default)s)")
    parser.add_argument("--bits", type=int, nargs="+", default=[8, 4, 2, 1], help="widths of the indices (default: 8 4 2 1)")
    parser.add_argument("--max-drop", type=float, default=0.3, help="points of top-1 that may be lost (default: %(default)s)")
    parser.add_argument("--min-sqnr", type=float, default=20.0, help="dB of SQNR that a width has to have (default: %(default)s)")
    parser.add_argument("--centroids", choices=("gradient", "refit"), default="gradient", help="how tables follow (default: %(default)s)")
    parser.add_argument("--images", type=int, default=TRAINING, help="training images to use, at most 1,200 (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of everything random (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="torch threads; 1 makes a rerun give the same bytes (default: %(default)s)")
    options = parser.parse_args()

    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    torch.use_deterministic_algorithms(True)
    pixels, labels = load_images(options.seed)
    images = pixels.astype(np.float32) / 255
    options.out.mkdir(parents=True, exist_ok=True)
    model = options.out / "digits.onnx"
    few = slice(min(options.images, TRAINING))
    trained(images[few], labels[few], options.epochs, model)
    seen, unseen = ({"image": images[part], "labels": labels[part]} for part in (few, slice(TRAINING, None)))
    found = tuned(model, seen, unseen, options)
    plot(found, options.out / "widths.png")
    print(f"wrote {options.out}: digits.onnx, a model and a plan for each width, widths.png")


if __name__ == "__main__":
    main()
