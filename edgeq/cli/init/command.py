"""`edgeq init`: a commented recipe.toml and set.toml for a model, in a folder of their own."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeq.cli import options as o
from edgeq.cli.asked import Asked, offers

if TYPE_CHECKING:
    from edgeq.graph.signature import InputSpec

EXAMPLE = """    edgeq init model.onnx    (writes edgeq-model/recipe.toml and edgeq-model/set.toml: put your samples there)

    edgeq init model.onnx --data calib.npz -o recipes    (writes recipe.toml there: arrays of samples need no set.toml)

    edgeq init model.onnx --data photos/ -o pictures    (copies images into pictures/, beside the set.toml that says how they are read)"""

Folder = Annotated[
    Path | None, typer.Option("--out", "-o", metavar="DIR", help="The folder to make. Default: edgeq-MODEL.", rich_help_panel=o.OUTPUT)
]


@offers("data follow_links max_bytes", writes=True)
def init(
    asked: Asked,
    model: o.FloatModel,
    out: Folder = None,
) -> None:
    """Write a commented recipe.toml and set.toml that fit MODEL, and say how to go on.

    The folder is its own: files that are in it already are left alone, and refused without --force.
    """
    from rich.console import Group
    from rich.text import Text

    from edgeq.cli.printed.forms import Initialized
    from edgeq.starting.start import check_own
    from edgeq.starting.start import init as run

    folder = out or Path(f"edgeq-{model.stem}")
    check_own(folder, [model], force=asked.force)
    made = run(asked.load_model(model), folder, asked.data, force=asked.force)
    ready = made.data_set is None
    data = asked.data if asked.data is not None and ready else _spelled(folder)
    words = ["edgeq", "quantize", str(model), "--data", data, "--recipe", str(made.recipe), "-o", f"{model.stem}.int8.onnx"]
    about = _about_data(folder, made.inputs, made.images, ready=ready)
    lines = [f"wrote {made.recipe}: how to quantize", *about, f"next:  {shlex.join(words)}"]
    wrote = Initialized(made.recipe, made.data_set)
    # a Group, since rich would wrap a lone Text, and the command would be cut in two
    asked.screen.show(wrote, lambda: Group(Text("\n".join(lines), no_wrap=True, overflow="ignore")))


def _spelled(folder: Path) -> str:
    """The folder as --data takes it: a shipped set of the same name would come first."""
    from edgeq.data.shipped import shipped_sets

    return f"./{folder}" if str(folder) in shipped_sets() else str(folder)


def _about_data(folder: Path, inputs: Sequence[InputSpec], images: int, *, ready: bool) -> list[str]:
    """What was written about the data, and what is left to do."""
    from edgeq.starting.set_template import takes_images

    if ready:
        return ["no set.toml: the data fits the model as it is"]
    said = [f"wrote {folder / 'set.toml'}: how the files beside it become model inputs"]
    if images:
        return [*said, f"wrote {images} images beside it. CHECK scale, mean and std in set.toml: they must be those of training"]
    if any(takes_images(spec) == "yes" for spec in inputs):
        said.append("images: check scale, mean and std in set.toml, which must be those of training; arrays of floats stay as they are")
    if any(takes_images(spec) == "perhaps" for spec in inputs):
        said.append("an input of one channel: if your samples are images, take the # off its lines in set.toml")
    kinds = "images, .npy or .npz" if any(takes_images(spec) != "no" for spec in inputs) else ".npy or .npz"
    return [*said, f"put about 100 samples into {folder}: a file each ({kinds}), or one .npz or .npy with all (axis 0 = sample)"]
