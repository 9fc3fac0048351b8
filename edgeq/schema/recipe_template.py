"""Generate a commented recipe.toml for a model: every key with its default and its meaning."""

from __future__ import annotations

import json
from collections import Counter
from typing import Literal, get_args, get_origin

import onnx_ir as ir
from pydantic.fields import FieldInfo

from edgeq.engines.wish import EngineWish
from edgeq.graph.read import nodes
from edgeq.io.visible import visible
from edgeq.schema.codebook import CodebookWish
from edgeq.schema.cost import PlacementWish
from edgeq.schema.finetune import FineTuneWish
from edgeq.schema.pixels import Preprocessing
from edgeq.schema.recipe import Floors, Recipe
from edgeq.schema.weight_format import WeightFormats

_HEAD = """\
# How edgeq quantizes: use it as --recipe recipe.toml. Every line below is a default: change what
# you need, delete what you do not. Command-line options win over this file.
"""


def recipe_template(model: ir.Model) -> str:
    """The recipe as valid TOML, with one comment per key.

    The example for keep_float lists the model's own operators.
    """
    defaults = Recipe()
    blocks = [_HEAD]
    for name, field in Recipe.model_fields.items():
        if name in ("floors", "codebook", "preprocessing", "finetune", "placement", "weight_format", "engine"):
            continue
        hint = _operators(model) if name == "keep_float" else ""
        blocks.append(_entry(name, field, getattr(defaults, name)) + hint)
    blocks.append("# Integer or float kernel, where a node could run in either.\n[placement]\n")
    blocks += [_entry(name, field, getattr(defaults.placement, name)) for name, field in PlacementWish.model_fields.items()]
    blocks.append("# inputs_as uint8 without a set.toml, and made-up images: an input is (pixel * scale - mean) / std.\n[preprocessing]\n")
    blocks += [_entry(name, field, None) for name, field in Preprocessing.model_fields.items()]
    blocks.append("# Weights as indices into a small table: off unless one of bits, bits_avg and size_budget is given.\n[codebook]\n")
    blocks += [_entry(name, field, getattr(defaults.codebook, name)) for name, field in CodebookWish.model_fields.items()]
    blocks.append("# Weights in number formats of few bits: off unless a name, a size or layers are given.\n[weight_format]\n")
    blocks += [_entry(name, field, getattr(defaults.weight_format, name)) for name, field in WeightFormats.model_fields.items()]
    blocks.append("# Training against the float model, at the end: off unless epochs or minutes is given. Extra learn.\n[finetune]\n")
    blocks += [_entry(name, field, getattr(defaults.finetune, name)) for name, field in FineTuneWish.model_fields.items()]
    blocks.append("# Where the work is done: no byte of the result depends on it.\n[engine]\n")
    blocks += [_entry(name, field, getattr(defaults.engine, name)) for name, field in EngineWish.model_fields.items()]
    blocks.append("# A result below a floor ends with exit code 3.\n[floors]\n")
    blocks += [_entry(name, field, None) for name, field in Floors.model_fields.items()]
    return "\n".join(blocks)


def _entry(name: str, field: FieldInfo, value: object) -> str:
    kinds = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    choices = f" ({', '.join(kinds)})" if kinds else ""
    comment = f"# {field.description}{choices}\n"
    if value is None:
        return f"{comment}# {name} = {_EXAMPLES[name]}\n"
    return f"{comment}{name} = {_toml(value)}\n"


#: example values for keys without a default, which stay commented out
_EXAMPLES = {
    "epochs": "20",
    "patience": "20",
    "rate": "0.003",
    "minutes": "5.0",
    "opset": "17",
    "samples": "100",
    "min_sqnr": "20.0",
    "min_agreement": "0.98",
    "min_accuracy": "0.9",
    "max_drop": "0.5",
    "bits": "4",
    "name": '"two_level:16"',
    "workers": "2",
    "address": '"auto"',
    "shard": "100",
    "bits_avg": "4.0",
    "size_budget": "0.15",
    "prune": '"0.5"',
    "scale": "0.00392156862745098",
    "mean": "[0.485, 0.456, 0.406]",
    "std": "[0.229, 0.224, 0.225]",
}


def _toml(value: object) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value)


def _operators(model: ir.Model) -> str:
    """The operator types of this model as a comment, most frequent first."""
    counts = Counter(node.op_type for node in nodes(model))
    kinds = ", ".join(f"{visible(op)} ({count})" for op, count in counts.most_common())
    return f'# operators of this model: {kinds}\n# keep_float = ["Softmax", "head/*", "/block_[12]_/"]\n'
