"""`edgeq init`: a commented recipe.toml and set.toml for a model, in a folder of their own."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeq.cli import options as o
from edgeq.cli.asked import Asked, offers
from edgeq.cli.outputs import check_folder, make_folder
from edgeq.errors import BadOutput

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

    from edgeq.cli.init.samples import images_in, placed
    from edgeq.cli.init.set_template import set_template
    from edgeq.data.open import open_dataset
    from edgeq.graph.signature import input_specs
    from edgeq.io.file_set import FileSet
    from edgeq.schema.recipe_template import recipe_template

    folder = out or Path(f"edgeq-{model.stem}")
    recipe, data_set = folder / "recipe.toml", folder / "set.toml"
    _check_own(folder, [recipe, data_set], [model], force=asked.force)
    loaded = asked.load_model(model)
    inputs = input_specs(loaded.model)
    images = () if asked.data is None else images_in(asked.data, inputs)
    ready = asked.data is not None and not images
    if asked.data is not None and ready:
        open_dataset(asked.data, inputs, float_model=loaded.model)  # refuses what does not fit
    make_folder(folder)
    placed(images, folder)
    with FileSet(force=asked.force, inputs=[model]) as files:
        files.add_text(recipe, recipe_template(loaded.model))
        wrote = {"recipe": recipe}
        if not ready:
            files.add_text(data_set, set_template(inputs, images=bool(images)))
            wrote["set"] = data_set
        files.commit()
    data = asked.data if asked.data is not None and ready else _spelled(folder)
    words = ["edgeq", "quantize", str(model), "--data", data, "--recipe", str(recipe), "-o", f"{model.stem}.int8.onnx"]
    lines = [f"wrote {recipe}: how to quantize", *_about_data(folder, inputs, len(images), ready=ready), f"next:  {shlex.join(words)}"]
    # a Group, since rich would wrap a lone Text, and the command would be cut in two
    asked.screen.show(wrote, lambda: Group(Text("\n".join(lines), no_wrap=True, overflow="ignore")))


def _check_own(folder: Path, files: Sequence[Path], inputs: Sequence[Path], *, force: bool) -> None:
    """Refuse a folder that holds files of the user's, which would be taken for samples."""
    check_folder(folder, files, force=force, inputs=inputs)
    own = {path.name for path in files}
    if folder.is_dir() and not force and any(path.name not in own for path in folder.iterdir()):
        fix = "Name a folder that does not exist yet with -o; or say --force to write beside the files that are there."
        raise BadOutput("The folder holds other files, and init writes into one of its own.", str(folder), fix)


def _spelled(folder: Path) -> str:
    """The folder as --data takes it: a shipped set of the same name would come first."""
    from edgeq.data.shipped import shipped_sets

    return f"./{folder}" if str(folder) in shipped_sets() else str(folder)


def _about_data(folder: Path, inputs: Sequence[InputSpec], images: int, *, ready: bool) -> list[str]:
    """What was written about the data, and what is left to do."""
    from edgeq.cli.init.set_template import takes_images

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
