"""`edgeq init`: a commented recipe.toml and set.toml that fit a model, to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgeq.cli.options import OUTPUT, FloatModel, Force, Json, MaxBytes, Quiet
from edgeq.cli.screen import Screen
from edgeq.cli.settings import check_folder, make_folder, parse_size

EXAMPLE = """    edgeq init model.onnx                 writes ./recipe.toml and ./set.toml

    edgeq init model.onnx -o calibration  writes them into that folder, which then is a data set once data is added"""


def init(
    model: FloatModel,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Where to write; made when missing.", rich_help_panel=OUTPUT)
    ] = Path(),
    max_bytes: MaxBytes = "2GiB",
    as_json: Json = False,
    quiet: Quiet = False,
    force: Force = False,
) -> None:
    """Write a commented recipe.toml and set.toml that fit MODEL, to start from."""
    screen = Screen(as_json, quiet)
    from rich.text import Text

    from edgeq.data.set_toml import set_template
    from edgeq.graph.signature import input_specs
    from edgeq.io.load import load_model
    from edgeq.io.save import atomic_write_text
    from edgeq.schema.recipe_template import recipe_template

    recipe, data_set = out / "recipe.toml", out / "set.toml"
    check_folder(out, [recipe, data_set], force=force, inputs=[model])
    loaded = load_model(model, max_bytes=parse_size(max_bytes))
    make_folder(out)
    atomic_write_text(recipe, recipe_template(loaded.model), force=force)
    atomic_write_text(data_set, set_template(input_specs(loaded.model)), force=force)
    lines = (
        f"wrote {recipe}: how to quantize",
        f"wrote {data_set}: how the files beside it become model inputs; check mean, std, scale",
        f"next:  edgeq quantize {model} --data {out} --recipe {recipe} -o {model.stem}.int8.onnx",
    )
    screen.show({"recipe": recipe, "set": data_set}, lambda: Text("\n".join(lines), no_wrap=True, overflow="ignore"))
