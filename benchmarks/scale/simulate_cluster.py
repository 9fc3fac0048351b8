"""Simulate runs on up to 1,000 workers: the real schedule and merging, a clock that is set.

`python -m benchmarks.scale.simulate_cluster` prints a table.

What is real: how samples become shards, who gets which, who is doubted, killed and replaced
(edgeq/engines/schedule.py, ranges), and the merging of statistics at the driver: the processor time
of 500 answers is measured here, and charged to the clock for each. What is assumed: a sample takes
20 ms; a worker is up after 10 to 30 s, also one that replaces another; one in twenty is four times
slow; workers die once in an hour on average; second moments are 300 MB in all, and the network
gives 500 MB/s to each machine, of one worker each. Moments and search find the workers up, since
statistics come first.
"""

from __future__ import annotations

import argparse
from statistics import mean
from time import process_time

import numpy as np

from benchmarks.scale.simulated_pool import NETWORK, SAMPLE_S, Simulated
from edgeq.calibration.observe import Merging
from edgeq.calibration.observer import Observer
from edgeq.calibration.tensor_stats import TensorStats
from edgeq.engines.local import Local
from edgeq.engines.merging import merged
from edgeq.engines.parcel import answer, read_answer
from edgeq.engines.pool import Call, Order, Ticket
from edgeq.engines.protocol import ranges
from edgeq.engines.schedule import scheduled

SAMPLES = 10_000_000
#: bytes of second moments of all layers
MOMENTS = 300e6
#: tensors of the network whose statistics are merged; ranges of single samples are left out: what
#: they take does not depend on the number of shards
TENSORS = 50
#: seconds that a candidate of a search takes, and how many there are in a round
CANDIDATE_S, CANDIDATES = 30.0, 1000
#: samples of a pass that measures second moments
MOMENT_SAMPLES = 100_000
#: answers that are really merged; the others are charged the mean of these
MERGED = 500
WORKERS = (1, 8, 64, 256, 1000)


def part_of(tensors: int, seed: int) -> dict[str, TensorStats]:
    """The statistics of one shard of a network, as a worker answers them."""
    chance, found = np.random.default_rng(seed), {}
    for place in range(tensors):
        observer = Observer()
        observer.update(chance.normal(size=(4096,)).astype(np.float32) * (1 + place), [seed])
        found[f"value {place}"] = observer.stats()
    return found


def shards_of(samples: int, workers: int, *, heavy: bool = False) -> list[range]:
    """The shards that edgeq makes for so many workers."""
    engine = Local()
    engine.workers = workers
    return ranges(0, samples, 1, engine, heavy=heavy)


def statistics(workers: int, samples: int = SAMPLES) -> tuple[float, int, int]:
    """Seconds of a calibration, workers that died, and shards. The merging is real."""
    pool, shards, body = Simulated(workers), shards_of(samples, workers), answer(part_of(TENSORS, 0))
    order, merged = Order(0, "edgeq.none:none", None, ()), Merging()
    calls = [Call(order, "do", place, b"", len(shard)) for place, shard in enumerate(shards)]
    behind, took = 0.0, list[float]()  # when the driver has merged what it has
    for found in scheduled(pool, calls):
        if len(took) < MERGED:
            took.append(_merge(merged, body, found.call.place))
        behind = max(pool.clock + len(body) / NETWORK, behind) + (took[-1] if len(took) < MERGED else mean(took))
    return max(pool.clock, behind), pool.lost, len(shards)


def _merge(merged: Merging, body: bytes, place: int) -> float:
    """Seconds that the driver takes to read and to merge one answer, of samples of its own."""
    begun = process_time()
    part = read_answer(body)
    assert isinstance(part, dict)
    merged.add({name: _of_samples(stats, place) for name, stats in part.items()})
    return process_time() - begun


def _of_samples(stats: TensorStats, place: int) -> TensorStats:
    return TensorStats(stats.nonfinite, np.array([place]), stats.sample_low, stats.sample_high, stats.exponent, stats.first, stats.counts)


def moments(workers: int, samples: int = MOMENT_SAMPLES) -> float:
    """Seconds of second moments, each layer of which an owner adds up (rounding is left out).

    Each shard leaves a part for every owner; workers merge them where there are more workers than
    owners, by edgeq's own code.
    """
    pool = Simulated(workers, step_s=3 * SAMPLE_S, part=MOMENTS / TENSORS, up=True)
    order, parts = Order(0, "edgeq.none:none", None, ()), list[tuple[Ticket, ...]]()
    shards = shards_of(samples, workers, heavy=True)
    for found in scheduled(pool, [Call(order, "split", place, b"", len(shard), TENSORS) for place, shard in enumerate(shards)]):
        parts.append(found.parts)
    columns = merged(pool, order, [tuple(one[owner] for one in parts) for owner in range(TENSORS)])
    for _ in scheduled(pool, [Call(order, "finish", owner, b"", parts=column) for owner, column in enumerate(columns)]):
        pass
    return pool.clock


def search(workers: int) -> float:
    """Seconds of a round of candidates that do not depend on each other."""
    pool = Simulated(workers, step_s=CANDIDATE_S, up=True)
    for _ in scheduled(pool, [Call(Order(0, "edgeq.none:none", None, ()), "do", place, b"") for place in range(CANDIDATES)]):
        pass
    return pool.clock


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="*", default=WORKERS)
    asked = parser.parse_args()
    alone = {"statistics": SAMPLES * SAMPLE_S, "moments": MOMENT_SAMPLES * 3 * SAMPLE_S, "search": CANDIDATES * CANDIDATE_S}
    print("efficiency = seconds of one worker without start or faults / (workers x seconds)")
    print(f"{'workers':>8} {'shards':>7} {'died':>5} " + " ".join(f"{name + ' s':>13} {'eff.':>5}" for name in alone))
    for workers in asked.workers:
        seconds, lost, shards = statistics(workers)
        found = {"statistics": seconds, "moments": moments(workers), "search": search(workers)}
        efficiency = {name: alone[name] / workers / found[name] for name in alone}
        columns = (f"{found[name]:13.1f} {efficiency[name]:5.2f}" for name in alone)
        print(f"{workers:8d} {shards:7d} {lost:5d} {' '.join(columns)}", flush=True)


if __name__ == "__main__":
    main()
