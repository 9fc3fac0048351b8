"""Damage a file by what its name says that it is: by its structure mostly, by its bytes else."""

from __future__ import annotations

from random import Random

import onnx

from tests.fuzz.damage.model import mutate_model
from tests.fuzz.damage.npz import mutate_npz
from tests.fuzz.damage.raw_bytes import mutate_bytes
from tests.fuzz.damage.text import mutate_json, mutate_toml
from tests.fuzz.valid.data_files import Files


def damage(random: Random, files: Files, name: str) -> None:
    """Replace a file by a damaged copy, or take it away now and then."""
    if random.random() < 0.02:
        del files[name]
    elif random.random() < 0.12:
        files[name] = mutate_bytes(random, files[name])
    else:
        files[name] = _by_structure(random, name, files[name])


def _by_structure(random: Random, name: str, data: bytes) -> bytes:
    try:
        if name.endswith(".onnx"):
            return mutate_model(random, onnx.ModelProto.FromString(data)).SerializeToString()
        if name.endswith((".npz", ".ckpt")):
            return mutate_npz(random, data)
        if name.endswith(".json"):
            return mutate_json(random, data.decode()).encode()
        if name.endswith(".toml"):
            return mutate_toml(random, data.decode()).encode("utf-8", "surrogatepass")
    except Exception:  # values that protobuf, numpy or zip cannot hold
        return mutate_bytes(random, data)
    return mutate_bytes(random, data)
