"""Tests of edgeq.cli.doctor: the flags of processors, what is installed, what is said about it."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import pytest

from edgeq.cli.doctor import facts
from edgeq.cli.doctor.command import doctor_text
from edgeq.cli.doctor.facts import ColumnRow, ExtraRow, findings, has_vnni
from edgeq.cli.screen import stdout_console
from edgeq.runtimes.table import DEFAULT, RUNTIMES
from edgeq.schema.target import shipped_targets
from tests.cli_room import run

Capsys = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("flags\t\t: fpu avx2 avx512f avx512_vnni\n", True),
        ("flags : fpu avx_vnni\n", True),
        ("flags : fpu avx2 avx512vnnix\n", False),
        ("Features\t: fp asimd asimddp\n", True),
        ("Features : fp asimd\n", False),
        ("processor : 0\n", None),
    ],
)
def test_the_flags_tell_how_products_are_added(text: str, found: bool | None, tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    assert has_vnni(tmp_path / "cpuinfo") is found


def test_a_system_without_flags_tells_nothing(tmp_path: Path) -> None:
    assert has_vnni(tmp_path / "nothing") is None


def test_every_runtime_and_target_is_told_of() -> None:
    found = findings(None)
    assert [row.name for row in found.runtimes] == [DEFAULT, *RUNTIMES]
    assert [row.name for row in found.targets] == [*shipped_targets()]
    assert found.runtimes[0].version is not None
    here = {row.name for row in found.targets if row.proves == "placement_and_latency"}
    assert here <= {"cpu", "cpu_arm", "tensorrt", "openvino"}
    missing = {row.name for row in found.runtimes if row.version is None}
    assert all(not missing & {*row.runtimes} for row in found.targets)


def test_a_missing_package_is_named_with_its_extra(capsys: Capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "_requirements", lambda: {"learn": ("no_such_package_of_edgeq",)})
    found = findings(ColumnRow("avx2", "a machine", 1.25))
    assert found.extras[0] == ExtraRow("learn", "edgeq finetune, edgeq.from_torch", ("no_such_package_of_edgeq",))
    stdout_console().print(doctor_text(found), soft_wrap=True)
    out = capsys.readouterr().out
    assert "missing no_such_package_of_edgeq: pip install 'edgeq[learn]'" in out
    assert "most like the column avx2 (a machine), 1.25x apart" in out


def test_a_command_to_paste_stands_in_one_line(capsys: Capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr(facts, "_requirements", lambda: {"backends": ("no_such_package_of_edgeq",)})
    out = run(capsys, "doctor").out
    assert any(line.rstrip().endswith("missing no_such_package_of_edgeq: pip install 'edgeq[backends]'") for line in out.splitlines())


def test_the_command_talks_json(capsys: Capsys) -> None:
    found = json.loads(run(capsys, "doctor", "--json").out)
    assert (found["schema_version"], found["column"]) == (1, None)
    assert found["machine"]["cores"] >= 1


@pytest.mark.parametrize("package", ["numpy", "fast-pytorch-kmeans", "google-re2", "tflite-micro"])
def test_a_package_is_there_where_its_distribution_is_whatever_its_module_is_called(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "version", lambda name: "1.0" if name == package else version(name))
    monkeypatch.setattr(facts, "_requirements", lambda: {"learn": (package, "no-such-package")})
    assert facts.findings(None).extras[0].missing == ("no-such-package",)


def test_every_extra_for_users_is_listed_and_what_installs_a_runtime_is_a_command() -> None:
    found = findings(None)
    assert {one.name for one in found.extras} == {"learn", "report", "tflite", "backends", "ray"}
    assert all(" install " in row.install for row in found.runtimes)
