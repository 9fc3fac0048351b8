"""`edgeq report`: draw reports in JSON as one HTML page, several side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgeq.cli import options as o
from edgeq.cli.asked import Asked, offers
from edgeq.errors import BadOutput

EXAMPLE = """    edgeq quantize model.onnx --data calib.npz --rule mse -o a.onnx --report mse.json

    edgeq quantize model.onnx --data calib.npz --rule minmax -o b.onnx --report minmax.json

    edgeq report mse.json minmax.json -o compared.html    (side by side; of one report, its page)"""


@offers(writes=True)
def report(
    asked: Asked,
    reports: Annotated[list[Path], typer.Argument(metavar="REPORT.json...", help="Reports that --report NAME.json wrote.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="PAGE.html", help="The page to write.", rich_help_panel=o.OUTPUT)],
) -> None:
    """Draw reports as an HTML page: of one run, or of several side by side."""
    from edgeq.report.report import report_format

    if report_format(out) != "html":
        raise BadOutput("The page is HTML.", str(out), "End its name in .html.")
    asked.check_outputs([out], *reports)
    from edgeq.io.file_set import FileSet
    from edgeq.report.page.read import read_report
    from edgeq.report.page.write import side_by_side

    found = [read_report(path) for path in reports]
    with FileSet(force=asked.force, inputs=tuple(reports)) as files:
        files.add_text(out, side_by_side(found, [str(path) for path in reports]))
        wrote = files.commit()
    asked.screen.wrote(wrote)
    if asked.screen.as_json:
        from edgeq.cli.printed.forms import Page

        asked.screen.show(Page(out, tuple(reports)), lambda: "")
