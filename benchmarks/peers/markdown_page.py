"""docs/benchmarks.md, written from the JSON of zoo.py: no number in it is typed by
hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.figures.rows import Row, table

Json = Mapping[str, Any]  # parsed JSON, read nowhere else

INTRODUCTION = """# Benchmarks

Is edgeq nearer to float than `onnxruntime.quantization`, and is its file as fast? The summary below answers for each network; then
follow the rows of all models, and the details.

## How it is measured

* The peer is `onnxruntime.quantization` with static QDQ, U8 activations, and S8 weights per channel.
* Both tools get the same calibration samples. They are judged on the same evaluation samples in the same run.
* Every tool runs as a process of its own.

The columns:

* **SQNR** in dB: 10 log10(sum f^2 / sum (f-q)^2) of the first output over the evaluation split. More is nearer.
* **exact**: the same without the saturation of x86 processors that lack VNNI. Their u8*s8 kernels add pairs of products in saturating
  int16.
* **agree**: share of samples with the float model's arg-max (of the first output, where it is one row a sample).
* **time**, **peak**: those of the whole process; edgeq's includes its proof.
* **x float**: latency against the float model, with one thread and batch 1. It is the median of paired ratios, measured in turns. Below
  1 is faster than float. **x peer's fastest** is the same against the fastest file of the peer.
* **int / float / qdq**: nodes of onnxruntime's optimized graph: integer kernels, float kernels that compute, Q/DQ nodes.

![SQNR against latency of every model, edgeq and its peers](benchmarks.svg)

The figure is drawn by `python -m benchmarks.figures.quality_latency` from the rows in `benchmarks/figures/rows/`. They say when and where
each was measured. Its SQNR is the exact one, so that rows of several machines can stand together.

The page is written by `python -m benchmarks.peers.zoo --json zoo.json`, then
`python -m benchmarks.peers.zoo --markdown zoo.json > docs/benchmarks.md`."""


ALL = """## All models

* CPU seconds and memory are those of the whole process, edgeq's with its proof. An empty cell was not recorded. dB are exact ones.
* The models of the group *strangers* were found on PyPI.
* Those of *archs* were exported with random weights: there, read the comparison and not the dB.
* The group *rivals* is from `benchmarks.frontier.run`, every tool in an environment of its own. A file that keeps layers in float,
  because integers would not be faster, has few kernels of integers and the more dB."""


def page(body: Json, rows: Sequence[Row]) -> str:
    """The whole page. body: what zoo.py wrote. rows: of all models that were measured."""
    return "\n".join(
        [
            *(INTRODUCTION, "", "## Machine", "", *_machine(body["machine"]), "", *_summary(body["results"])),
            *(ALL, "", *table(rows), "", *_details(body["results"])),
        ]
    )


def _machine(facts: Json) -> Iterator[str]:
    yield "| what | |"
    yield "|---|---|"
    for key, value in facts.items():
        yield f"| {key} | {value} |"


def _best(entries: list[Json], tool: str, key: str) -> float | None:
    found = [
        e["fidelity"][key]
        for e in entries
        if e["tool"] == tool and not e["error"] and e["mode"] in ("default", "minmax", "percentile", "entropy")
    ]
    return max(found, default=None)


def _summary(results: list[Json]) -> Iterator[str]:
    """One line a model: the default of edgeq against the best static mode of the peer."""
    yield "## Summary: the default of edgeq against the peer's best static mode"
    yield ""
    yield "| model | edgeq dB | peer's best dB | edgeq exact dB | peer's best exact dB | edgeq x float | x peer's fastest |"
    yield "|---|---|---|---|---|---|---|"
    for result in results:
        entries = result["entries"]
        ours = next((e for e in entries if e["tool"] == "edgeq" and not e["error"]), None)
        cells = [_best(entries, tool, key) for key in ("sqnr_db", "exact_db") for tool in ("edgeq", "ort")]
        pairs = [ratio["median"] for name, ratio in result["pairs"].items() if name.startswith("edgeq:default /")]
        speed = [ours["to_float"]["median"] if ours else None, max(pairs, default=None)]
        yield f"| {result['model']} | " + " | ".join(_number(value) for value in [*cells, *speed]) + " |"
    yield ""


def _number(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _details(results: list[Json]) -> Iterator[str]:
    yield "## Each model"
    for result in results:
        yield from ("", f"### {result['model']}", "")
        samples = max((entry["fidelity"]["samples"] for entry in result["entries"] if entry.get("fidelity")), default=0)
        yield f"Float: {result['float_bytes'] / 1e6:.2f} MB, {result['float_ms']:.3f} ms; {_metric(result['metrics']['float'])}."
        yield f"Judged on {samples} evaluation samples."
        yield from ("", "| tool | SQNR | exact | agree | task | MB | time s | peak MB | x float | int / float / qdq | float kernels |")
        yield "|" + "---|" * 11
        for entry in result["entries"]:
            name = f"{entry['tool']}:{entry['mode']}"
            yield f"| {name} | {entry['error'] or _cells(entry, result['metrics'].get(name, {}))} |"


def _cells(e: Json, metric: Json) -> str:
    quality, place = e["fidelity"], e["placement"]
    cells = [_number(quality["sqnr_db"]), _number(quality["exact_db"]), _number(quality["agreement"], 4), _metric(metric)]
    cells += [_number(e["bytes"] / 1e6, 3), _number(e["time_s"], 1), _number(e["peak_mb"], 0), _number(e["to_float"]["median"])]
    return " | ".join([*cells, f"{place['integer']} / {place['float']} / {place['qdq']}", place["float_ops"]])


def _metric(metric: Json) -> str:
    numbers = {key: value for key, value in metric.items() if isinstance(value, float)}
    return ", ".join(f"{key} {value:.4f}" for key, value in numbers.items())
