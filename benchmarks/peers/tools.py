"""The tools that are compared: their modes, and their commands as a user types them."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.measures.processes import Run

PEERS = ("minmax", "percentile", "entropy")
#: what ort_peer.py knows; not imported from there, which would load the peer into this process
MODES = (*PEERS, *(f"{mode}_reduced" for mode in PEERS), "dynamic")


def edgeq_command(model: Path, out: Path, calib: Path, rule: str, samples: int, prove: bool) -> list[str]:
    """`edgeq quantize` as a user types it; rule 'default' leaves the choice to edgeq."""
    script = Path(sys.executable).parent / "edgeq"
    command = [str(script), "quantize", str(model), "--data", str(calib), "-o", str(out), "--samples", str(samples), "--force", "--quiet"]
    return command + ([] if rule == "default" else ["--rule", rule]) + ([] if prove else ["--no-prove"])


def peer_command(model: Path, out: Path, calib: Path, mode: str, samples: int) -> list[str]:
    command = [sys.executable, "-m", "benchmarks.peers.ort_peer", str(model), str(out)]
    return [*command, "--calib", str(calib), "--mode", mode, "--samples", str(samples)]


def command_of(tool: str, mode: str, model: Path, out: Path, calib: Path, samples: int, prove: bool = True) -> list[str]:
    if tool == "edgeq":
        return edgeq_command(model, out, calib, mode, samples, prove)
    return peer_command(model, out, calib, mode, samples)


def last_line(run: Run) -> str:
    lines = [line.strip() for line in run.output.splitlines() if line.strip()]
    return f"exit {run.code}: {lines[-1][:160] if lines else 'no output'}"


def words(text: str) -> tuple[str, ...]:
    """'a,b' -> ('a', 'b')."""
    return tuple(filter(None, text.split(",")))
