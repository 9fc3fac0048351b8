"""Random options for a command: every option that it declares, with values that fit or do not."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from random import Random

import typer

from edgeq.cli.app.commands import app
from tests.fuzz import odd
from tests.fuzz.valid.data_files import Files

Values = Callable[[Random, Files], str]

#: options that a case sets itself, and those whose work takes minutes whatever the input
OWN = frozenset(
    {"--help", "--out", "--effort", "--minutes", "--work", "--merge", "--epochs", "--steps", "--reconstruct", "--plot", "--keep"}
)
OWN |= {"--max-bytes", "--threads"}


def _one_of(*values: str) -> Values:
    return lambda random, _: random.choice(values)


def _file(suffix: str) -> Values:
    """A file of the case that ends like this, any other one now and then, or none that is there."""

    def values(random: Random, files: Files) -> str:
        fitting = [name for name in files if name.endswith(suffix)]
        return (
            f"in/{random.choice(fitting or [*files, 'nowhere'])}"
            if random.random() < 0.9
            else random.choice(("nowhere", "in", "/dev/null", ""))
        )

    return values


_TARGETS = (
    "cpu",
    "cpu_arm",
    "npu_int8",
    "npu_pow2",
    "mcu_tflite",
    "ethos_u",
    "dsp_int8",
    "nnapi",
    "openvino",
    "qnn_htp",
    "tensorrt",
    "nowhere",
)
_COUNT = _one_of("1", "2", "3", "1000", "0", "-1", "9" * 20)
_REAL = _one_of("0", "0.5", "1", "-1", "20", "1e30", "nan", "inf")
_PATTERN = _one_of("Conv", "*", "/.*/", "/(/", "[", "", "Conv_1", "nothing", "/(?P<a>x)/", "x\x1b[31m")
VALUES: dict[str, Values] = {
    "--target": lambda random, files: _one_of(*_TARGETS)(random, files) if random.random() < 0.8 else _file(".toml")(random, files),
    "--recipe": _file(".toml"),
    "--report": _one_of("out/r.json", "out/r.html", "out/r.txt", "nowhere/r.json", "in/model.onnx"),
    "--inputs-as": _one_of("uint8", "float", "int8"),
    "--scale": _REAL,
    "--mean": _one_of("0.5", "0.1,0.2,0.3", "1,2", "x", "nan", ""),
    "--std": _one_of("0.5", "0.1,0.2,0.3", "0", "-1", "inf"),
    "--golden": _COUNT,
    "--emit": _one_of("ort", "c", "exe"),
    "--data": _file(".npz"),
    "--validation": _file(".npz"),
    "--samples": _COUNT,
    "--batch": _COUNT,
    "--memory": _one_of("1MiB", "1GiB", "0", "-1", "x", "1e30GiB", "9" * 30),
    "--shape": _one_of("x=1,3,8,8", "x=2,3,8,8", "x=1", "x=0", "x=-1", "x=", "y=1", "x=a", "x=" + "9" * 30, "x=100000,100000"),
    "--stats": _file("stats.npz"),
    "--plan": _file(".json"),
    "--rule": _one_of("minmax", "mean_minmax", "ema", "percentile", "kl", "mse", "none"),
    "--solver": _one_of("exact", "fast-pytorch-kmeans", "none"),
    "--engine": _one_of("local", "ray", "none"),
    "--workers": _COUNT,
    "--address": _one_of("auto", "127.0.0.1:1", ""),
    "--metric": _one_of("top1", "top5", "f1", "mse", "ap50", "math:floor", "nowhere:f", "in/x.py:f", ":", "math:"),
    "--format": _one_of("int4", "two_level:16", "two_level:8", "codebook:3", "int8", "int5", "two_level", "mx"),
    "--weights": _one_of("per_channel", "per_tensor", "none"),
    "--rounding": _one_of("apart", "in_sequence", "none"),
    "--keep-float": _PATTERN,
    "--activations": _one_of("int16", "uint16", "Conv=int16", "n1=uint16", "int8", "x=", "=int16", "Nothing=int16"),
    "--prefer": _one_of("speed", "integers", "size", ""),
    "--serve-batch": _COUNT,
    "--tie": _one_of("y=x", "x=y", "y", "=", "v1=x"),
    "--seed": _one_of("0", "1", "-1", "9" * 20),
    "--objective": _one_of("accuracy", "latency", "size"),
    "--min-sqnr": _REAL,
    "--min-agreement": _REAL,
    "--min-accuracy": _REAL,
    "--max-drop": _REAL,
    "--range": _one_of("0:2", "2:4", "0:0", "3:1", ":", "a:b", "-1:2", "0:" + "9" * 30),
    "--float": _file(".onnx"),
    "--runtime": _one_of("onnxruntime", "litert", "openvino", "qnn", "none"),
    "--reference": _file(".onnx"),
    "--accelerator": _one_of("ethos-u55-128", "none"),
    "--require-int8": _one_of("Conv", "Conv,MatMul", "", "Nothing"),
    "--compute": _one_of("float", "int8", "none"),
    "--bits": _one_of("1", "2", "3", "4", "5", "6", "8", "7", "4,2", "x"),
    "--bits-avg": _one_of("1", "2.5", "4", "8", "0", "nan"),
    "--size-budget": _one_of("25%", "1%", "100%", "0%", "x", "nan%"),
    "--layer": _one_of("Conv=4", "*=2", "Conv", "=", "x=9"),
    "--granularity": _one_of("tensor", "channel", "group:2", "group:0", "vector:2", "vector:1000", "group:x"),
    "--prune": _one_of("0.5", "2:4", "0", "1", "4:2", "0:0", "nan", "x"),
    "--lr": _REAL,
    "--resume": _file(".ckpt"),
    "--centroids": _one_of("gradient", "refit", "none"),
}


@cache
def options_of(command: str) -> dict[str, bool]:
    """The options of a command by their long names: whether each is a flag."""
    group = typer.main.get_command(app)
    params = group.commands[command].params  # type: ignore[attr-defined]
    named = {next((name for name in param.opts if name.startswith("--")), ""): bool(getattr(param, "is_flag", False)) for param in params}
    return {name: flag for name, flag in named.items() if name}


def random_options(random: Random, command: str, files: Files, given: list[str]) -> list[str]:
    """Some options that the command line does not hold yet."""
    short = {"-o": "--out", "-d": "--data", "-t": "--target"}
    taken = {short.get(word, word) for word in given} | OWN
    share = random.choice((0.0, 0.0, 0.02, 0.06))
    found: list[str] = []
    for name, flag in options_of(command).items():
        if name not in taken and random.random() < share:
            found += [name] if flag else [name, VALUES[name](random, files)]
    if random.random() < 0.02:
        found.append(odd.name(random).replace("\x00", "0"))
    return found
