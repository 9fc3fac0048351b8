"""Parse command-line words into typed settings: recipe, shapes, sizes, ranges."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from edgeq.errors import BadRecipe

if TYPE_CHECKING:
    from edgeq.cli.shared.values import SharedOptions
    from edgeq.data.doubts import DataDoubts
    from edgeq.metrics.metric import Metric
    from edgeq.schema.recipe import Recipe

#: the value of an option that is a key of a recipe; None: the option was not given
Setting = str | int | float | Sequence[str] | None
#: the numbers in which a model with codebooks computes
Compute = Literal["float", "int8"]

_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}


def recipe_from(file: Path | None, settings: Mapping[str, object]) -> Recipe:
    """The recipe of a file with settings from the command line in place of its own.

    file: None stands for the default recipe. settings: as in with_settings. Raises BadRecipe.
    """
    from edgeq.schema.recipe import Recipe, load_recipe

    return with_settings(Recipe() if file is None else load_recipe(file), settings)


def with_settings(recipe: Recipe, settings: Mapping[str, object]) -> Recipe:
    """The recipe with some settings replaced.

    settings: key of the recipe -> value; a mapping replaces single keys of a table. Raises
    BadRecipe when a value, or the combination, is not valid.
    """
    from edgeq.io.strict_toml import validate

    raw = recipe.model_dump()
    for key, value in settings.items():
        raw[key] = raw[key] | value if isinstance(value, Mapping) else value
    return validate(type(recipe), raw, "command line", BadRecipe, "options")


def with_codebook(recipe: Recipe, codebook: Mapping[str, Setting]) -> Recipe:
    """The recipe with these settings of codebooks instead of its own. Raises BadRecipe."""
    from edgeq.schema.codebook import CodebookWish

    return with_settings(recipe, {"codebook": CodebookWish().model_dump() | given(codebook)})


def refuse_two_sizes(format: str | None, sizes: Mapping[str, Setting]) -> None:
    """Refuse --format beside options that ask for codebooks. sizes: option -> its value."""
    other = next((option for option, value in given(sizes).items() if value is not None), None)
    if format is not None and other is not None:
        what = f"--format and {other} both say how weights are stored."
        raise BadRecipe(what, f"--format, {other}", "Leave one of the two out; --format codebook:4 is --bits 4.")


def with_training(recipe: Recipe, training: Mapping[str, Setting], minutes: float) -> Recipe:
    """The recipe with the training that the options request.

    minutes: the time to train where neither the recipe nor the options give a length. Raises
    BadRecipe.
    """
    chosen = given(training)
    if "epochs" in chosen or "minutes" in chosen:
        chosen = {"epochs": None, "minutes": None} | chosen
    elif not recipe.finetune.trains and chosen.get("reconstruct", recipe.finetune.reconstruct) == "none":
        chosen["minutes"] = minutes
    return with_settings(recipe, {"finetune": chosen})


def given(settings: Mapping[str, Setting]) -> dict[str, Setting]:
    """The settings that were given, without None and without empty repeatable options."""
    return {key: value for key, value in settings.items() if value is not None and value != []}


def preprocessing_from(scale: float | None, mean: str | None, std: str | None) -> dict[str, float | tuple[float, ...]]:
    """--scale, --mean and --std as keys of the recipe's [preprocessing].

    Raises BadRecipe for a word that is not a list of numbers.
    """
    found: dict[str, float | tuple[float, ...]] = {} if scale is None else {"scale": scale}
    for name, word in (("mean", mean), ("std", std)):
        if word is None:
            continue
        try:
            found[name] = tuple(float(part) for part in word.split(","))
        except ValueError:
            raise BadRecipe(f"{word!r} is not a list of numbers.", f"--{name}", f"Write it as in --{name} 0.485,0.456,0.406.") from None
    return found


def check_search(recipe: Recipe, options: SharedOptions) -> None:
    """Refuse options of the search where no search will run: they would have no effect.

    --work is also one of the engines that keep shards.
    """
    search: dict[str, object] = {"--objective": options.objective, "--minutes": options.minutes}
    if recipe.engine.name == "local":  # other engines keep finished shards there
        search["--work"] = options.work
    idle = next((name for name, value in search.items() if value is not None), None)
    if idle is None or (recipe.effort == "best" and options.plan is None):
        return
    if options.plan is not None:
        raise BadRecipe(f"{idle} says how to search, but a plan is repeated without one.", "--plan", "Leave one of the two out.")
    if idle == "--work":
        fix = "Add --effort best, or --engine processes or ray, or leave --work out."
        raise BadRecipe("--work keeps a search, or what several workers have finished, and there is no search.", idle, fix)
    raise BadRecipe(f"{idle} says how to search, and there is no search.", idle, f"Add --effort best, or leave {idle} out.")


def data_doubts(*, accept: bool, strict: bool) -> DataDoubts:
    """What --accept-data and --strict-data make of doubts about the data. Raises BadRecipe."""
    if accept and strict:
        what = "--accept-data takes doubtful data, and --strict-data refuses it."
        raise BadRecipe(what, "--accept-data, --strict-data", "Leave one of the two out.")
    return "accept" if accept else "strict" if strict else "refuse"


def metric_from(word: str | None) -> Metric | None:
    """The metric that --metric names; None: not given. Raises BadMetric."""
    if word is None:
        return None
    from edgeq.metrics.chosen import metric_of

    return metric_of(word)


def parse_shapes(words: Sequence[str] | None) -> dict[str, tuple[int, ...]]:
    """Words such as NAME=1,3,224,224 or NAME=1x3x224x224 as input name -> shape.

    Raises BadRecipe.
    """
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


def parse_size(word: str, option: str) -> int:
    """A size such as 4GB, 500MB, 2GiB or a plain number, in bytes. Raises BadRecipe."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", word.strip().lower())
    if match is None or match[2] not in _UNITS:
        raise BadRecipe(f"{word!r} is not a size.", option, "Write a number with a unit, such as 500MB or 4GB.")
    return int(float(match[1]) * _UNITS[match[2]])


def parse_range(word: str | None) -> tuple[int, int | None]:
    """START:STOP as sample indices; either side may be left out. Raises BadRecipe."""
    if word is None:
        return 0, None
    match = re.fullmatch(r"(\d*):(\d*)", word.strip())
    start, stop = (match[1], match[2]) if match else ("", "")
    if match is None or (start and stop and int(start) >= int(stop)):
        raise BadRecipe(f"{word!r} is not a range of samples.", "--range", "Write START:STOP, as in 0:500 for the first 500 samples.")
    return int(start or 0), int(stop) if stop else None


def parse_share(word: str | None) -> float | None:
    """25% or 0.25 as the share 0.25; None: not given. Raises BadRecipe."""
    if word is None:
        return None
    try:
        return float(word.rstrip("%")) / (100 if word.endswith("%") else 1)
    except ValueError:
        raise BadRecipe(f"{word!r} is not a share.", "--size-budget", "Write 25% or 0.25.") from None


def parse_compute(word: str) -> Compute:
    """The value of --compute. Raises BadRecipe for any other word."""
    kinds: tuple[Compute, ...] = get_args(Compute)
    for kind in kinds:
        if word == kind:
            return kind
    raise BadRecipe(f"{word!r} is not a way to compute.", "--compute", "Write float or int8.")
