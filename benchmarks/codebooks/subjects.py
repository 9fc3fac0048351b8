"""The zoo's models one after the other, with what the tables of codebooks and formats need of each.

The zoo is not part of the project: EDGEQ_ZOO or ../shared/zoo beside the repository says where it
is; ZOO_EXTRA where minilm_l6_v2 lies.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from benchmarks.measures.model_zoo import Zoo, find_zoo


@dataclass(frozen=True)
class Subject:
    """One model of the zoo, its calibration samples, and a folder for what is made of it."""

    #: where the model is from
    zoo: Zoo
    #: as the zoo names it
    name: str
    #: the float model
    model: Path
    #: its calibration samples, an .npz
    data: Path
    #: how many evaluation samples are judged on; None: all
    limit: int | None

    @property
    def folder(self) -> Path:
        """A temporary folder, which goes with the next model."""
        return self.data.parent

    @cached_property
    def float_metric(self) -> float:
        """The task metric of the float model."""
        return self.metric(self.model)[0]

    def metric(self, file: Path) -> tuple[float, float]:
        """The task metric of a model and its SQNR in dB, as evaluate.py has them."""
        words = ["--limit", str(self.limit)] if self.limit else []
        found = json.loads(self.zoo.evaluate(self.name, str(file), "--fidelity", "--json", *words))
        value = next(found[key] for key in ("top1", "spearman", "accuracy", "auc", "mse") if key in found)
        return float(value), float(found.get("sqnr_db", float("nan")))


def parser(about: str | None, models: str) -> argparse.ArgumentParser:
    """The options that these scripts share. models: the default of --models."""
    made = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--models", default=models)
    made.add_argument("--samples", type=int, default=100)
    made.add_argument("--limit", type=int, help="evaluation samples")
    made.add_argument("--json", type=Path)
    return made


def subjects(args: argparse.Namespace) -> Iterator[Subject]:
    """The models that --models names; one that the zoo does not have is named and left out."""
    zoo = find_zoo(None)
    for name in args.models.split(","):
        model = zoo.model(name)
        if model is None:
            print(f"{name}: not in the zoo", file=sys.stderr)
            continue
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder) / "calib.npz"
            zoo.evaluate("--export", name, "calib", str(data), "--limit", str(args.samples))
            yield Subject(zoo, name, model, data, args.limit)
