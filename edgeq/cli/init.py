"""`edgeq init`: write a commented recipe.toml and set.toml for a model, as a starting point."""

from __future__ import annotations

from pathlib import Path

from edgeq.cli.asked import Asked, offers
from edgeq.cli.options import FloatModel, FolderOut
from edgeq.cli.outputs import check_folder, make_folder

EXAMPLE = """    edgeq init model.onnx                 writes ./recipe.toml and ./set.toml

    edgeq init model.onnx -o calibration  writes them into that folder, which then is a data set once data is added"""


@offers("max_bytes", writes=True)
def init(
    asked: Asked,
    model: FloatModel,
    out: FolderOut = Path(),
) -> None:
    """Write a commented recipe.toml and set.toml that fit MODEL, to start from."""
    from rich.text import Text

    from edgeq.data.set_toml import set_template
    from edgeq.graph.signature import input_specs
    from edgeq.io.save import atomic_write_text
    from edgeq.schema.recipe_template import recipe_template

    recipe, data_set = out / "recipe.toml", out / "set.toml"
    check_folder(out, [recipe, data_set], force=asked.force, inputs=[model])
    loaded = asked.load_model(model)
    make_folder(out)
    atomic_write_text(recipe, recipe_template(loaded.model), force=asked.force)
    atomic_write_text(data_set, set_template(input_specs(loaded.model)), force=asked.force)
    lines = (
        f"wrote {recipe}: how to quantize",
        f"wrote {data_set}: how the files beside it become model inputs; check mean, std, scale",
        f"next:  edgeq quantize {model} --data {out} --recipe {recipe} -o {model.stem}.int8.onnx",
    )
    asked.screen.show({"recipe": recipe, "set": data_set}, lambda: Text("\n".join(lines), no_wrap=True, overflow="ignore"))
