"""The latency of two models on a terminal."""

from __future__ import annotations

from rich.text import Text

from edgeq.proof.latency import Latency
from edgeq.report.figures import milliseconds, threads_text
from edgeq.report.report import verdict


def latency_lines(latency: Latency) -> tuple[Text, Text]:
    """The figures of the latency, then the verdict in words."""
    before, after = milliseconds(latency)
    text = Text(f"float {before}, int8 {after} ({latency.ratio:.2f}x)")
    text.append(f" · {threads_text(latency.threads)}, batch {latency.batch}", "dim")
    return text, Text(verdict(latency), "green" if latency.pace == "faster" else "bold yellow")
