"""Recipes and targets as files: valid ones of random keys, to be damaged as text."""

from __future__ import annotations

import json
from importlib.resources import files
from random import Random

_KEYS: dict[str, tuple[object, ...]] = {
    "rule": ("minmax", "percentile", "kl", "mse", "ema", "mean_minmax"),
    "percentile": (99.9, 50.1, 100),
    "ema": (0.0, 0.99),
    "weights": ("per_channel", "per_tensor"),
    "weight_rule": ("minmax", "mse"),
    "weight_bits": (2, 3, 4, 7, 8),
    "effort": ("fast",),
    "keep_float": (["Conv"], ["/C.*/"], ["*"], []),
    "split_outputs": (True, False),
    "standard_operators": (True, False),
    "opset": (13, 17, 21, 25),
    "samples": (1, 3, 100),
    "hold_out": (True, False),
    "batch": (1, 2, 100),
    "rescue": (True, False),
    "seed": (0, 1, 2**40),
    "inputs_as": ("float", "uint8"),
    "floors.min_sqnr": (0, 20.0, 200),
    "floors.min_agreement": (0, 1),
}


def recipe(random: Random) -> str:
    """A recipe.toml with some of its keys."""
    keys = random.sample(sorted(_KEYS), random.randint(0, 5))
    return "".join(f"{key} = {json.dumps(random.choice(_KEYS[key]))}\n" for key in keys)


def target(random: Random) -> str:
    """The text of a target that ships."""
    shipped = sorted((entry for entry in files("edgeq.targets").iterdir() if entry.name.endswith(".toml")), key=lambda entry: entry.name)
    return random.choice(shipped).read_text(encoding="utf-8")
