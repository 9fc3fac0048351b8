"""The public function init: a commented recipe.toml and set.toml for a model, in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeq.data.open import open_dataset
from edgeq.errors import BadOutput
from edgeq.graph.signature import InputSpec, input_specs
from edgeq.io.file_set import FileSet
from edgeq.io.model_source import ModelSource, load
from edgeq.io.output_path import check_folder, make_folder
from edgeq.io.run_files import watched
from edgeq.io.writing.card import Card, Facts
from edgeq.schema.recipe_template import recipe_template
from edgeq.starting.samples import images_in, placed
from edgeq.starting.set_template import set_template


@dataclass(frozen=True, repr=False)
class Started(Card):
    """The files that were written, and what they are about."""

    #: how to quantize
    recipe: Path
    #: how the files beside it become inputs; None: the data fits the model as it is
    data_set: Path | None
    #: number of images that were copied beside it
    images: int
    #: inputs of the model
    inputs: tuple[InputSpec, ...]

    def facts(self) -> Facts:
        """What a line and a table show."""
        files = [("recipe", str(self.recipe)), *([] if self.data_set is None else [("data set", str(self.data_set))])]
        return Facts("", (*files, ("images", str(self.images))))


@watched
def init(model: ModelSource, folder: str | Path, data: str | None = None, *, force: bool = False) -> Started:
    """Write a commented recipe.toml, and a set.toml where the data needs one, that fit the model.

    folder: made where it does not exist; it is one of its own. data: a path or the name of a set;
    of a folder of images, these are copied. force: write beside files that are there, and replace
    an earlier recipe.toml and set.toml. Raises BadModel, BadData, BadOutput.

    >>> import tempfile
    >>> from pathlib import Path
    >>> import edgeq
    >>> from edgeq.data.shipped import shipped_model
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     made = edgeq.init(shipped_model("digits"), Path(folder) / "own")
    ...     sorted(path.name for path in (Path(folder) / "own").iterdir())
    ['recipe.toml', 'set.toml']
    """
    folder = Path(folder)
    check_own(folder, [model] if isinstance(model, str | Path) else [], force=force)
    loaded = load(model)
    inputs = input_specs(loaded.model)
    images = () if data is None else images_in(data, inputs)
    ready = data is not None and not images
    if data is not None and ready:
        open_dataset(data, inputs, float_model=loaded.model, unlabelled=True)  # refuses what does not fit
    make_folder(folder)
    placed(images, folder)
    recipe, data_set = own_files(folder)
    with FileSet(force=force, inputs=[] if loaded.path is None else [loaded.path]) as files:
        files.add_text(recipe, recipe_template(loaded.model))
        if not ready:
            files.add_text(data_set, set_template(inputs, images=bool(images)))
        files.commit()
    return Started(recipe, None if ready else data_set, len(images), inputs)


def own_files(folder: Path) -> tuple[Path, Path]:
    """The recipe and the description of the data in a folder."""
    return folder / "recipe.toml", folder / "set.toml"


def check_own(folder: Path, inputs: Sequence[str | Path], *, force: bool) -> None:
    """Refuse a folder that holds files of the user's, which would be taken for samples.

    Raises BadOutput.
    """
    files = own_files(folder)
    check_folder(folder, files, force=force, inputs=[Path(one) for one in inputs])
    own = {path.name for path in files}
    if folder.is_dir() and not force and any(path.name not in own for path in folder.iterdir()):
        fix = "Name a folder that does not exist yet with -o; or say --force to write beside the files that are there."
        raise BadOutput("The folder holds other files, and init writes into one of its own.", str(folder), fix)
