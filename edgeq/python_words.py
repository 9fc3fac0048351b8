"""The Python name of what the command line calls an option, for the words of errors."""

from __future__ import annotations

import re

#: options that are arguments of a function of edgeq
_ARGUMENTS = {
    "--data": "data",
    "--validation": "validation",
    "--stats": "statistics",
    "--plan": "plan",
    "--work": "work",
    "--target": "target",
    "--metric": "metric",
    "--recipe": "recipe",
    "--shape": "shapes",
    "--max-bytes": "max_bytes",
    "--accept-data": 'data_doubts="accept"',
    "--strict-data": 'data_doubts="strict"',
    "--no-prove": "prove=False",
    "--force": "force=True",
    "--layers": "layers=True",
    "--requantize": "requantize=True",
    "--float-io": "float_io=True",
    "--range": "start and stop",
    "--keep": "checkpoint",
    "--resume": "checkpoint",
}
#: options that are keys of a recipe
_KEYS = {
    "--rule": "rule",
    "--weights": "weights",
    "--rounding": "rounding",
    "--effort": "effort",
    "--objective": "objective",
    "--minutes": "minutes",
    "--keep-float": "keep_float",
    "--tie": "tie",
    "--prefer": "placement.prefer",
    "--serve-batch": "placement.serve_batch",
    "--inputs-as": "inputs_as",
    "--scale": "preprocessing.scale",
    "--mean": "preprocessing.mean",
    "--std": "preprocessing.std",
    "--split-outputs": "split_outputs",
    "--standard-operators": "standard_operators",
    "--samples": "samples",
    "--batch": "batch",
    "--seed": "seed",
    "--activations": "activations",
    "--no-hold-out": "hold_out=False",
    "--no-rescue": "rescue=False",
    "--min-sqnr": "floors.min_sqnr",
    "--min-agreement": "floors.min_agreement",
    "--min-accuracy": "floors.min_accuracy",
    "--max-drop": "floors.max_drop",
    "--format": "weight_format.name",
    "--bits": "codebook.bits",
    "--bits-avg": "codebook.bits_avg",
    "--size-budget": "codebook.size_budget",
    "--granularity": "codebook.granularity",
    "--prune": "codebook.prune",
    "--epochs": "finetune.epochs",
    "--lr": "finetune.rate",
    "--labels": "finetune.labels",
    "--centroids": "finetune.centroids",
    "--reconstruct": "finetune.reconstruct",
    "--steps": "finetune.steps",
}
_NAMES = {option: f"`{name}`" for option, name in _ARGUMENTS.items()} | {option: f"`Recipe.{key}`" for option, key in _KEYS.items()}

#: a whole command, which is left as it is; a shape; the value of a recipe's key; an option
_SPOKEN = re.compile(
    r"(?P<command>`edgeq [^`]*`|\bedgeq [a-z]+ (?:[A-Z-])[^;]*)"
    r"|--shape (?P<input>[^\s=]+)=(?P<sizes>[\w?,]+)"
    r"|(?P<key>--effort|--inputs-as|--samples) (?P<value>best|fast|default|uint8|\d+)\b"
    r"|(?P<option>--[a-z][a-z-]*)"
)


def in_python(text: str) -> str:
    """The text with names of Python in place of options; options of commands alone stay.

    >>> in_python("Give --data, or leave --effort best out.")
    'Give `data`, or leave `Recipe.effort="best"` out.'
    >>> in_python("Add --shape image=1,3,224,224.")
    'Add `shapes={"image": (1, 3, 224, 224)}`.'
    """
    return _SPOKEN.sub(_named, text)


def _named(found: re.Match[str]) -> str:
    if found["input"] is not None:
        return f'`shapes={{"{found["input"]}": ({found["sizes"].replace(",", ", ")})}}`'
    if found["key"] is not None:
        value = found["value"] if found["value"].isdecimal() else f'"{found["value"]}"'
        return f"`Recipe.{_KEYS[found['key']]}={value}`"
    return found[0] if found["command"] is not None else _NAMES.get(found[0], found[0])
