"""Command lines that read what edgeq wrote: plans, statistics, quantized models, checkpoints."""

from __future__ import annotations

from random import Random

from tests.fuzz.damage.any_file import damage
from tests.fuzz.valid.data_files import Files
from tests.fuzz.valid.settings_files import recipe, target

#: share, command line, and the file that is damaged; in capitals those that stand below in/
_KNOWN: tuple[tuple[int, str, str], ...] = (
    (8, "prove in/int8.onnx -d in/data.npz", "int8.onnx"),
    (6, "prove in/int8.onnx --float in/model.onnx -d in/data.npz", "int8.onnx"),
    (8, "compare in/model.onnx in/int8.onnx -d in/data.npz", "int8.onnx"),
    (4, "compare in/model.onnx in/int8.onnx -d in/data.npz --layers", "model.onnx"),
    (6, "compare in/model.onnx in/int8.onnx -d in/data.npz", "data.npz"),
    (8, "check in/int8.onnx -t npu_int8", "int8.onnx"),
    (4, "check in/chip.onnx -t in/target.toml", "target.toml"),
    (8, "explain in/int8.plan.json conv", "int8.plan.json"),
    (4, "explain in/int8.onnx conv", "int8.onnx"),
    (4, "explain in/int8.onnx more --plan in/int8.plan.json", "int8.plan.json"),
    (10, "convert in/chip.onnx -o out/c.tflite --no-prove", "chip.onnx"),
    (4, "convert in/chip.onnx -d in/data.npz -o out/c.tflite --requantize", "chip.onnx"),
    (6, "convert in/foreign.onnx -o out/c.tflite --requantize -d in/data.npz", "foreign.onnx"),
    (4, "check in/foreign.onnx -t mcu_tflite", "foreign.onnx"),
    (4, "compare in/model.onnx in/foreign.onnx -d in/data.npz --layers", "foreign.onnx"),
    (4, "prove in/foreign.onnx -d in/data.npz", "foreign.onnx"),
    (3, "convert in/int8.onnx -o out/c.ort", "int8.onnx"),
    (6, "materialize in/codebooks.onnx -o out/m.onnx", "codebooks.onnx"),
    (6, "palettize in/model.onnx --bits 3 -o out/p.onnx", "model.onnx"),
    (3, "palettize in/model.onnx -d in/data.npz --bits-avg 4 --accept-data -o out/p.onnx", "data.npz"),
    (2, "palettize in/model.onnx -d in/data.npz --compute int8 --bits 2 --accept-data -o out/p.onnx", "model.onnx"),
    (8, "quantize in/model.onnx --stats in/stats.npz --effort fast -o out/q.onnx", "stats.npz"),
    (10, "quantize in/model.onnx --plan in/int8.plan.json -o out/q.onnx", "int8.plan.json"),
    (4, "quantize in/model.onnx --plan in/int8.plan.json -d in/data.npz -o out/q.onnx", "int8.plan.json"),
    (4, "quantize in/model.onnx --plan in/chip.plan.json -t npu_int8 -o out/q.onnx", "chip.plan.json"),
    (6, "calibrate --merge in/a.stats.npz in/b.stats.npz -o out/s.npz", "a.stats.npz"),
    (8, "quantize in/model.onnx -d in/data.npz -t in/target.toml --effort fast -o out/q.onnx", "target.toml"),
    (8, "quantize in/model.onnx -d in/data.npz --recipe in/recipe.toml -o out/q.onnx", "recipe.toml"),
    (4, "quantize in/model.onnx -d in/data.npz --effort fast -o out/q.onnx", "data.npz"),
    (4, "prove in/lite.tflite --runtime litert --reference in/chip.onnx -d in/data.npz", "lite.tflite"),
    (2, "prove in/lite.tflite --runtime tflm --reference in/chip.onnx -d in/data.npz", "lite.tflite"),
    (2, "finetune in/model.onnx -d in/data.npz --prefer integers --epochs 2 --no-prove -o out/t.onnx --resume in/run.ckpt", "run.ckpt"),
    (4, "targets show in/target.toml", "target.toml"),
)


def known_case(random: Random, corpus: Files) -> tuple[str, Files]:
    """A command line and its files, one of them damaged most of the time."""
    files = {**corpus, "target.toml": target(random).encode(), "recipe.toml": recipe(random).encode()}
    able = [(share, line, name) for share, line, name in _KNOWN if name in files]
    ((_, line, name),) = random.choices(able, [share for share, _, _ in able])
    named = {word.removeprefix("in/") for word in line.split()} | {name.replace(".onnx", ".plan.json")}
    files = {path: data for path, data in files.items() if path in named}
    if name in files and random.random() < 0.9:
        damage(random, files, name)
    return line, files
