"""From command-line words to typed settings, checked before any work begins: recipe, shapes, sizes,
output paths.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgeq.errors import BadData, BadOutput, BadRecipe

if TYPE_CHECKING:
    from edgeq.report.report import Report
    from edgeq.schema.recipe import CodebookWish, Recipe

Setting = str | int | float | Sequence[str] | None

_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}


def recipe_from(
    file: Path | None,
    overrides: Mapping[str, Setting],
    floors: Mapping[str, float | None],
    preprocessing: Mapping[str, float | tuple[float, ...]] | None = None,
) -> Recipe:
    """The recipe file (default: all defaults) with the options given on the command line on top.
    None: option not given.
    """
    from edgeq.io.strict_toml import validate
    from edgeq.schema.recipe import Recipe, load_recipe

    recipe = Recipe() if file is None else load_recipe(file)
    given = {key: value for key, value in overrides.items() if value is not None}
    given_floors = {key: value for key, value in floors.items() if value is not None}
    if not given and not given_floors and not preprocessing:
        return recipe
    raw = recipe.model_dump() | given
    raw["floors"] = recipe.floors.model_dump() | given_floors
    raw["preprocessing"] = recipe.preprocessing.model_dump() | dict(preprocessing or {})
    return validate(Recipe, raw, "command line", BadRecipe, "options")


def preprocessing_from(scale: float | None, mean: str | None, std: str | None) -> dict[str, float | tuple[float, ...]]:
    """--scale, --mean and --std as keys of the recipe's [preprocessing]. Raises BadRecipe for words
    that are no numbers.
    """
    given: dict[str, float | tuple[float, ...]] = {} if scale is None else {"scale": scale}
    for name, word in (("mean", mean), ("std", std)):
        if word is None:
            continue
        try:
            given[name] = tuple(float(part) for part in word.split(","))
        except ValueError:
            raise BadRecipe(f"{word!r} is not a list of numbers.", f"--{name}", f"Write it as in --{name} 0.485,0.456,0.406.") from None
    return given


def codebook_from(given: Mapping[str, Setting]) -> CodebookWish:
    """Codebook settings from options. None: option not given. Raises BadRecipe."""
    from edgeq.io.strict_toml import validate
    from edgeq.schema.recipe import CodebookWish

    return validate(CodebookWish, {key: value for key, value in given.items() if value is not None}, "command line", BadRecipe, "options")


def codebook_in(recipe: Recipe, given: Mapping[str, Setting]) -> Recipe:
    """The recipe with codebooks as given. None: option not given. Raises BadRecipe."""
    from edgeq.io.strict_toml import validate
    from edgeq.schema.recipe import Recipe

    return validate(Recipe, recipe.model_dump() | {"codebook": codebook_from(given).model_dump()}, "command line", BadRecipe, "options")


def parse_shapes(words: Sequence[str] | None) -> dict[str, tuple[int, ...]]:
    """NAME=1,3,224,224 (or 1x3x224x224) words to shapes by input name. Raises BadRecipe."""
    shapes: dict[str, tuple[int, ...]] = {}
    for word in words or ():
        name, _, dims = word.rpartition("=")
        parts = re.split("[,x]", dims)
        if not name or not all(part.strip().isdigit() and int(part) > 0 for part in parts):
            raise BadRecipe(f"{word!r} is not a shape.", "--shape", "Write NAME=DIMS with positive numbers, as in image=1,3,224,224.")
        if name in shapes:
            raise BadRecipe(f"Input {name!r} has two shapes.", "--shape", "Give each input one shape.")
        shapes[name] = tuple(int(part) for part in parts)
    return shapes


def parse_size(word: str) -> int:
    """4GB, 500MB, 2GiB or plain bytes to bytes. Raises BadRecipe."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", word.strip().lower())
    if match is None or match[2] not in _UNITS:
        raise BadRecipe(f"{word!r} is not a size.", "--max-bytes", "Write a number with a unit, such as 500MB or 4GB.")
    return int(float(match[1]) * _UNITS[match[2]])


def check_outputs(outputs: Iterable[Path | None], *, force: bool, inputs: Iterable[Path | None]) -> None:
    """Refuse output paths that would fail or do harm, before minutes of work and not after. None:
    not wanted. Raises BadOutput.
    """
    from edgeq.io.save import check_output

    wanted = [path for path in outputs if path is not None]
    sources = [path for path in inputs if path is not None]
    for place, path in enumerate(wanted):
        if path.resolve() in [earlier.resolve() for earlier in wanted[:place]]:
            raise BadOutput("Two outputs have the same path.", str(path), "Give each output its own path.")
        check_output(path, force=force, inputs=sources)


def check_given(data: str | None, stats: Path | None, plan: Path | None) -> None:
    """Refuse a run that has nothing to take ranges from. Raises BadData."""
    if data is None and stats is None and plan is None:
        fix = "Give an .npz, a folder with a set.toml or a shipped set: --data calib.npz."
        raise BadData("No calibration data was given.", "--data", fix)


def check_search(recipe: Recipe, given: Mapping[str, object], plan: Path | None) -> None:
    """Refuse options of the search where no search will run: they would do nothing. given: by name.
    Raises BadRecipe.
    """
    if recipe.effort == "best" and plan is None:
        return
    idle = next((name for name, value in given.items() if value is not None), None)
    if idle is not None and plan is not None:
        raise BadRecipe(f"{idle} says how to search, but a plan is repeated without one.", "--plan", "Leave one of the two out.")
    if idle is not None:
        raise BadRecipe(f"{idle} says how to search, and there is no search.", idle, f"Add --effort best, or leave {idle} out.")


def check_folder(folder: Path, outputs: Iterable[Path], *, force: bool, inputs: Iterable[Path | None]) -> None:
    """The same for outputs in a folder that may not exist yet. Raises BadOutput."""
    if folder.exists() and not folder.is_dir():
        raise BadOutput("The output folder is a file.", str(folder), "Choose another folder.")
    if folder.exists():
        check_outputs(outputs, force=force, inputs=inputs)


def make_folder(folder: Path) -> None:
    """Make the folder and those above it. Raises BadOutput."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadOutput(f"The output folder cannot be made: {error.strerror}.", str(folder), "Choose another folder.") from None


def check_report(path: Path | None) -> None:
    """Refuse a report path whose form is unknown or needs a package that is missing. Raises
    BadOutput, MissingExtra.
    """
    if path is None:
        return
    from edgeq.report.report import report_format

    if report_format(path) == "html":
        from edgeq.report.html import require_jinja

        require_jinja()


def write_report(report: Report, path: Path, model: str, *, force: bool) -> None:
    """Write the report in the form that its extension names. model: where the int8 model lies, for
    the snippet.
    """
    from edgeq.io.save import atomic_write_text
    from edgeq.report.report import report_format

    if report_format(path) == "json":
        text = report.to_json()
    else:
        from edgeq.report.html import to_html

        text = to_html(report, model)
    atomic_write_text(path, text, force=force)


def plan_path(model: Path) -> Path:
    """Where the plan of an int8 model lies: model.int8.onnx -> model.int8.plan.json."""
    return model.with_suffix(".plan.json")


def parse_range(word: str | None) -> tuple[int, int | None]:
    """START:STOP to sample indices; either side may be left out. Raises BadRecipe."""
    if word is None:
        return 0, None
    match = re.fullmatch(r"(\d*):(\d*)", word.strip())
    start, stop = (match[1], match[2]) if match else ("", "")
    if match is None or (start and stop and int(start) >= int(stop)):
        raise BadRecipe(f"{word!r} is not a range of samples.", "--range", "Write START:STOP, as in 0:500 for the first 500 samples.")
    return int(start or 0), int(stop) if stop else None


def tuning_from(recipe: Recipe, given: Mapping[str, Setting], minutes: float) -> Recipe:
    """The recipe with fine-tuning as given; where neither it nor the options say how long, for so
    many minutes. Raises BadRecipe.
    """
    from edgeq.io.strict_toml import validate
    from edgeq.schema.finetune import FineTuneWish

    chosen = {key: value for key, value in given.items() if value is not None}
    own = recipe.finetune.model_dump()
    if "epochs" in chosen or "minutes" in chosen:
        own |= {"epochs": None, "minutes": None}
    elif not recipe.finetune.trains and (own | chosen)["reconstruct"] == "none":
        own["minutes"] = minutes
    wish = validate(FineTuneWish, own | chosen, "command line", BadRecipe, "options")
    return recipe.model_copy(update={"finetune": wish})
