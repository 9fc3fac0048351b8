"""One random command line and the files that it reads."""

from __future__ import annotations

import io
from dataclasses import dataclass
from random import Random

import numpy as np
import onnx

from tests.fuzz.damage.any_file import damage
from tests.fuzz.known_cases import known_case
from tests.fuzz.option_values import random_options
from tests.fuzz.valid.data_files import Feeds, Files, arrays_for, folder_for, npz_for
from tests.fuzz.valid.models import feeds_of, random_model
from tests.fuzz.valid.settings_files import recipe, target

#: command lines about a model and data of its own, each with its share
_FRESH: tuple[tuple[int, str], ...] = (
    (10, "inspect MODEL"),
    (36, "quantize MODEL -d DATA --effort fast -o out/q.onnx"),
    (3, "quantize MODEL -d DATA -o out/q.onnx"),
    (8, "quantize MODEL -d DATA -t mcu_tflite --effort fast -o out/q.tflite"),
    (6, "quantize MODEL -d DATA -t npu_int8 --effort fast -o out/q.onnx"),
    (8, "calibrate MODEL -d DATA -o out/s.npz"),
    (8, "palettize MODEL --bits 4 -o out/p.onnx"),
    (3, "palettize MODEL -d DATA --min-sqnr 20 -o out/p.onnx"),
    (2, "palettize MODEL -d DATA --compute int8 --bits 4 -o out/p.onnx"),
    (4, "init MODEL -o out/set"),
    (5, "check MODEL -t npu_int8"),
    (4, "convert MODEL -o out/c.tflite"),
    (2, "materialize MODEL -o out/m.onnx"),
    (5, "prove MODEL -d DATA"),
    (4, "compare MODEL MODEL -d DATA --layers"),
    (1, "finetune MODEL -d DATA --prefer integers --epochs 1 -o out/t.onnx"),
)


#: where a second command writes what should be out/q.onnx, byte for byte
AGAIN = "out/again.onnx"
#: the end of a file that was written, and a command that reads it
_THEN: tuple[tuple[str, str], ...] = (
    ("q.onnx", "prove OUT -d DATA"),
    ("q.onnx", "prove OUT --float in/model.onnx"),
    ("q.onnx", "compare in/model.onnx OUT -d DATA --layers"),
    ("q.onnx", "check OUT -t npu_int8"),
    ("q.onnx", "convert OUT -d DATA -o out/c.tflite --requantize"),
    ("q.onnx", f"quantize in/model.onnx --plan out/q.plan.json -o {AGAIN}"),
    ("q.onnx", "explain OUT Conv_1"),
    ("q.tflite", "quantize in/model.onnx --plan out/q.plan.json -o out/c.tflite"),
    ("p.onnx", "materialize OUT -o out/m.onnx"),
    ("p.onnx", "inspect OUT"),
    ("s.npz", "quantize in/model.onnx --stats OUT -d DATA --effort fast -o out/q.onnx"),
)


@dataclass(frozen=True)
class Case:
    """A command line, and the files below in/ that it may read."""

    #: words after `edgeq`
    arguments: tuple[str, ...]
    #: words of a second command, which reads what the first wrote; empty: there is none
    then: tuple[str, ...]
    #: content by path below in/
    files: Files


def random_case(random: Random, corpus: Files) -> Case:
    """A case about a random model, or about files that edgeq itself wrote."""
    if random.random() < 0.4:
        line, files = known_case(random, corpus)
    else:
        line, files = _fresh_case(random)
    words = line.split()
    if words[0] in ("quantize", "calibrate", "palettize", "finetune") and random.random() < 0.6:
        words.append("--accept-data")  # else half of the random models end at doubts about their data
    words += random_options(random, words[0], files, words)
    if "-o" in words and random.random() < 0.03:  # what is read must not be written, whatever the options
        words[words.index("-o") + 1] = f"in/{random.choice([*files, 'new'])}"
        words.append(random.choice(("--force", "-f")))
    return Case(tuple(words), _then(random, line, words), files)


def _then(random: Random, line: str, words: list[str]) -> tuple[str, ...]:
    """A command that takes what the first wrote, or writes it once more: the same bytes."""
    out = line.partition(" -o ")[2].partition(" ")[0]
    able = [then for end, then in _THEN if out.endswith(end)]
    data = line.partition(" -d ")[2].partition(" ")[0]
    if not able or not data or random.random() < 0.6:
        return ()
    if out == "out/q.onnx" and random.random() < 0.1:
        return tuple(word.replace(out, AGAIN).replace("out/r.", "out/again.") for word in words)
    return tuple(random.choice(able).replace("OUT", out).replace("DATA", data).split())


def _fresh_case(random: Random) -> tuple[str, Files]:
    model = random_model(random)
    files = {"model.onnx": model.SerializeToString(deterministic=True)}
    if random.random() < 0.06:
        files |= _with_external_data(model)
    data = _add_data(random, files, feeds_of(model))
    (line,) = random.choices([line for _, line in _FRESH], [share for share, _ in _FRESH])
    if random.random() < 0.1:
        files["recipe.toml"] = recipe(random).encode()
    if random.random() < 0.1:
        files["target.toml"] = target(random).encode()
        line = line.replace("-t npu_int8", "-t in/target.toml")
    for _ in range(random.choice((0, 0, 0, 0, 1, 1, 2))):
        often = [name for name in files if name == "model.onnx"] * 4
        damage(random, files, random.choice([*often, *files] or ["model.onnx"]))
        if not files:
            break
    return line.replace("MODEL", "in/model.onnx").replace("DATA", data), files


def _add_data(random: Random, files: Files, feeds: Feeds) -> str:
    """Add data for these inputs to the files; the path that names it."""
    kind = random.random()
    if kind < 0.75:
        files["data.npz"] = npz_for(random, feeds, random.choice((2, 4, 6, 6, 12, 24)))
        return "in/data.npz"
    if kind < 0.85 and len(feeds) == 1:
        file = io.BytesIO()
        np.save(file, next(iter(arrays_for(random, feeds, 6).values())))
        files["data.npy"] = file.getvalue()
        return "in/data.npy"
    files |= {f"set/{name}": data for name, data in folder_for(random, feeds).items()}
    return "in/set"


def _with_external_data(model: onnx.ModelProto) -> Files:
    """The model with its weights in a file beside it."""
    moved, data = onnx.ModelProto(), b""
    moved.CopyFrom(model)
    for tensor in moved.graph.initializer:
        if not tensor.raw_data:
            continue
        tensor.data_location = onnx.TensorProto.EXTERNAL
        span = (("location", "model.onnx.data"), ("offset", str(len(data))), ("length", str(len(tensor.raw_data))))
        tensor.external_data.extend(onnx.StringStringEntryProto(key=key, value=value) for key, value in span)
        data += tensor.raw_data
        tensor.ClearField("raw_data")
    return {"model.onnx": moved.SerializeToString(deterministic=True), "model.onnx.data": data}
