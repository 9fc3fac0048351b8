"""The model zoo: trained networks, their data and task metrics. It is not part of the project."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Zoo:
    """Where the models, the data and evaluate.py are. extra: a second folder with models/, for what
    is too large to keep.
    """

    folder: Path
    extra: Path | None

    def model(self, name: str) -> Path | None:
        roots = [root for root in (self.folder, self.extra) if root is not None]
        return next((path for root in roots if (path := root / "models" / f"{name}.onnx").is_file()), None)

    def evaluate(self, *words: str) -> str:
        """Run evaluate.py and return what it prints."""
        env = os.environ | ({"ZOO_EXTRA": str(self.extra)} if self.extra else {})
        command = [sys.executable, str(self.folder / "evaluate.py"), *words]
        return subprocess.run(command, check=True, capture_output=True, text=True, env=env).stdout


def find_zoo(extra: Path | None) -> Zoo:
    folder = Path(os.environ.get("EDGEQ_ZOO", ROOT.parent / "shared" / "zoo"))
    if not (folder / "evaluate.py").is_file():
        fix = "set EDGEQ_ZOO to its folder, or use benchmarks.peers.one_model on a model of your own."
        sys.exit(f"The model zoo is not at {folder}.\n  fix:  {fix}")
    return Zoo(folder, extra or (Path(os.environ["ZOO_EXTRA"]) if "ZOO_EXTRA" in os.environ else None))
