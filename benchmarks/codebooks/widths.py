"""Codebooks on the model zoo: size, accuracy, kernels and times at each number of bits, as a table.

    # every model, 8 6 5 4 3 2 bits, the full evaluation split
    python -m benchmarks.codebooks.widths
    python -m benchmarks.codebooks.widths --models dscnn_kws --bits 4,2 --limit 200
    # all numbers
    python -m benchmarks.codebooks.widths --json codebooks.json

The zoo is not part of the project: EDGEQ_ZOO or ../shared/zoo beside the repository says where it
is; ZOO_EXTRA where minilm_l6_v2 lies.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort

import edgeq
from benchmarks.codebooks.subjects import Subject, parser, subjects
from edgeq.io.load import load_model
from edgeq.io.save import save_model
from edgeq.passes.store.materialize import Materialize
from edgeq.schema.codebook import CodebookWish
from edgeq.schema.recipe import Recipe

MODELS = "squeezenet1_1_imagenet,resnet20_cifar10,resnet8_cifar10,dscnn_kws,kwt1_kws,mobilenetv1_025_imagenet,minilm_l6_v2"
RUNS = 15


@dataclass(frozen=True)
class Row:
    """One model at one size. bits 8: plain int8. metric: of evaluate.py; exact: outputs are
    bit-identical to the materialized model's.

    float_kernels: Conv, Gemm and MatMul with a weight that run in float. ratio: run time against
    the materialized model, paired.
    """

    model: str
    bits: float
    size: float
    bits_per_weight: float
    metric: float
    float_metric: float
    sqnr_db: float
    exact: bool
    float_kernels: int
    load_ms: float
    plain_load_ms: float
    ratio: float
    seconds: float


def main() -> None:
    options = parser(__doc__, MODELS)
    options.add_argument("--bits", default="8,6,5,4,3,2", help="bits of every index, or avg:B for bits on average")
    options.add_argument("--granularity", default="tensor")
    args, rows = options.parse_args(), []
    print("| model | bits | size | bits per weight | metric (float) | SQNR dB | exact | float kernels | load ms (plain) | run |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for subject in subjects(args):
        rows += measure(subject, args)
    if args.json:
        args.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))


def measure(subject: Subject, args: argparse.Namespace) -> list[Row]:
    name, model, folder, data, base = subject.name, subject.model, subject.folder, subject.data, subject.float_metric
    rows = []
    for word in args.bits.split(","):
        codebook = codebook_for(word, args.granularity)
        began = time.perf_counter()
        made = edgeq.quantize(model, str(data), recipe=Recipe(codebook=codebook), prove=False)
        seconds = time.perf_counter() - began
        file, plain = folder / "codebook.onnx", folder / "plain.onnx"
        made.save(file, force=True)
        loaded = load_model(file, quantized=True).model
        Materialize()(loaded)
        save_model(loaded, plain, force=True)
        found, sqnr = subject.metric(file)
        stored = sum(layer.bytes for layer in made.report.codebooks)
        weights = sum(layer.float_bytes // 4 for layer in made.report.codebooks)
        exact, ratio = pair(file, plain, data)
        average = codebook.bits or codebook.bits_avg or 8
        row = Row(
            name, average, file.stat().st_size / model.stat().st_size, 8 * stored / weights if weights else 8.0, found, base, sqnr, exact,
            floats(file), load_ms(file), load_ms(plain), ratio, seconds,
        )  # fmt: skip
        rows.append(row)
        print(
            f"| {name} | {word} | {row.size:.4f} | {row.bits_per_weight:.3f} | {found:.4f} ({base:.4f}) | {sqnr:.1f} | {exact} | "
            f"{row.float_kernels} | {row.load_ms:.0f} ({row.plain_load_ms:.0f}) | {ratio:.3f} |",
            flush=True,
        )
    return rows


def codebook_for(word: str, granularity: str) -> CodebookWish:
    if word.startswith("avg:"):
        return CodebookWish(bits_avg=float(word[4:]), granularity=granularity)
    return CodebookWish() if word == "8" else CodebookWish.model_validate({"bits": int(word), "granularity": granularity})


def floats(file: Path) -> int:
    """Layers with a constant weight that run in float, of the file as onnxruntime runs it."""
    return sum(node.runs_as == "float" and node.op_type in ("Conv", "Gemm", "MatMul") for node in edgeq.prove(file).nodes)


def load_ms(file: Path) -> float:
    times = []
    for _ in range(5):
        began = time.perf_counter()
        ort.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        times.append(1e3 * (time.perf_counter() - began))
    return statistics.median(times)


def pair(file: Path, plain: Path, data: Path) -> tuple[bool, float]:
    """Whether the outputs on the first samples are the same bits, and the median ratio of
    alternating run times.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    one, other = (ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"]) for path in (file, plain))
    arrays = np.load(data)
    ranks = {value.name: len(value.shape) for value in one.get_inputs()}
    feeds = {name: arrays[name][0] if arrays[name].ndim > rank else arrays[name][:4] for name, rank in ranks.items()}
    exact = all(np.array_equal(a, b) for a, b in zip(one.run(None, feeds), other.run(None, feeds), strict=True))
    ratios = []
    for turn in range(RUNS):
        first, second = (one, other) if turn % 2 else (other, one)
        times = []
        for session in (first, second):
            began = time.perf_counter()
            for _ in range(5):
                session.run(None, feeds)
            times.append(time.perf_counter() - began)
        ratios.append(times[0] / times[1] if turn % 2 else times[1] / times[0])
    return exact, statistics.median(ratios)


if __name__ == "__main__":
    main()
