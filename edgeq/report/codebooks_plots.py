"""Draw a picture of each codebook.

It shows the weight, its shared values, and where these values lie among the weights.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgeq.errors import BadOutput, MissingExtra
from edgeq.io.file_set import FileSet
from edgeq.io.output_path import check_output
from edgeq.numerics.arrays import F32
from edgeq.report.codebooks import CodebookLayer

if TYPE_CHECKING:
    from matplotlib.axes import Axes


#: the numbers of a matrix are written into it up to WRITTEN of them; a larger picture is cut to
#: SIDE rows and columns
WRITTEN, SIDE = 150, 512


def check_plots(folder: Path) -> None:
    """Check before long work that pictures can be drawn and written.

    Raises MissingExtra without matplotlib, BadOutput when the folder is a file.
    """
    try:
        import matplotlib  # noqa: F401  # only whether it is there
    except ImportError:
        raise MissingExtra("Pictures need matplotlib.", "--plot", "pip install 'edgeq[report]'") from None
    if folder.exists() and not folder.is_dir():
        raise BadOutput("The folder for pictures is a file.", str(folder), "Choose another folder.")


def add_plots(
    files: FileSet, folder: Path, layers: tuple[CodebookLayer, ...], weights: Mapping[str, tuple[F32, F32]], *, force: bool
) -> None:
    """Add one PNG per layer to a set of files, named by a number and its node.

    The folder must exist. weights: node -> float weight and new weight. Raises BadOutput.
    """
    paths = [folder / f"{place:03}_{re.sub(r'[^A-Za-z0-9.-]+', '_', layer.node).strip('_')[:80]}.png" for place, layer in enumerate(layers)]
    for path in paths:
        check_output(path, force=force)
    for path, layer in zip(paths, layers, strict=True):
        files.add(path, draw(layer, *weights[layer.node]))


def draw(layer: CodebookLayer, weight: F32, new: F32) -> bytes:
    """A PNG of the original weight, the shared values, and a histogram with the centroids.

    Both weights have the same colours. The same input gives the same bytes.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4.5), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    bound = float(np.abs(weight).max(initial=0.0)) or 1.0
    _matrix(left, weight, bound, "original")
    _matrix(middle, new, bound, f"shared: {layer.entries} values{'' if layer.granularity == 'tensor' else f' ({layer.granularity})'}")
    edges = np.linspace(layer.low, layer.high, len(layer.histogram) + 1)
    right.stairs(layer.histogram, edges, fill=True, color="#9db4c0")
    for centroid in layer.centroids:
        right.axvline(centroid, color="#c1121f", linewidth=0.8)
    right.set_title("weights, and the values of the table" if not _scaled(layer, new) else "weights, and the first channel's values")
    figure.suptitle(f"{layer.node} · {layer.bits} bits · {layer.bits_per_weight:.2f} bits per weight · SQNR {layer.sqnr_db:.1f} dB")
    file = BytesIO()
    FigureCanvasAgg(figure)  # without pyplot: no window, no global state
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def _scaled(layer: CodebookLayer, new: F32) -> bool:
    """Whether channels have scales of their own: then there are more values than in the table."""
    return len(np.unique(new[:64])) > len(layer.centroids)


def _matrix(axes: Axes, weight: F32, bound: float, title: str) -> None:
    """Draw a weight as an image whose rows are the first axis.

    The numbers of a small matrix are written into it.
    """
    matrix = weight.reshape(weight.shape[0], -1)
    axes.imshow(matrix[:SIDE, :SIDE], cmap="RdBu_r", vmin=-bound, vmax=bound, aspect="auto", interpolation="nearest")
    cut = "" if max(matrix.shape) <= SIDE else f", first {min(SIDE, matrix.shape[0])} x {min(SIDE, matrix.shape[1])}"
    axes.set_title(f"{title}{cut}")
    if matrix.size > WRITTEN:
        return
    axes.set_xticks([])
    axes.set_yticks([])
    for (row, column), number in np.ndenumerate(matrix):
        colour = "white" if abs(number) > 0.6 * bound else "black"
        axes.text(column, row, f"{number:.4g}", ha="center", va="center", fontsize=7, color=colour)
