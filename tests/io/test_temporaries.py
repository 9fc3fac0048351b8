"""Temporaries of runs that were killed go; those of runs that live, and the user's files, stay."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from edgeq.errors import BadOutput
from edgeq.io.temporaries import ScratchFolder, Temporary, remove_leftovers, scratch_root

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs locks of files")

HOLD = """
import sys
from pathlib import Path
from edgeq.io.temporaries import ScratchFolder, Temporary
folder = Path(sys.argv[1])
one = Temporary(folder)
one.file.write(b"half")
two = ScratchFolder()
(two.path / "inside").touch()
print("ready", flush=True)
sys.stdin.read()
"""


def start(folder: Path, *unshare: str) -> subprocess.Popen[str]:
    """A run that holds a temporary file and a temporary folder there."""
    command = [*unshare, sys.executable, "-c", HOLD, str(folder)]
    run = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(folder)})
    assert run.stdout is not None
    assert run.stdout.readline() == "ready\n"
    return run


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is TMPDIR."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_what_a_killed_run_left_is_removed_and_what_a_live_run_holds_is_not(here: Path) -> None:
    live, killed = start(here), start(here)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert len(list(here.iterdir())) == 4
    remove_leftovers(here)
    assert len(list(here.iterdir())) == 2
    live.kill()
    live.wait()
    remove_leftovers(here)
    assert list(here.iterdir()) == []


def test_a_live_run_in_another_process_namespace_keeps_its_temporaries(here: Path) -> None:
    unshare = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child")
    if shutil.which("unshare") is None or subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no process namespaces here")
    live = start(here, *unshare)
    remove_leftovers(here)
    assert len(list(here.iterdir())) == 2
    live.kill()
    live.wait()


def test_the_users_files_and_links_stay(here: Path) -> None:
    (here / "precious").mkdir()
    (here / "precious" / "photo").touch()
    (here / "edgeq-tmp-0123456789abcdef").symlink_to(here / "precious")
    (here / ".edgeq-tmp-0123456789abcdef").symlink_to(here / "precious" / "photo")
    (here / "edgeq-tmp-mine").mkdir()
    (here / ".edgeq-tmp-0123456789abcdefg").touch()
    os.mkfifo(here / ".edgeq-tmp-ffffffffffffffff")
    before = sorted(here.rglob("*"))
    remove_leftovers(here)
    assert sorted(here.rglob("*")) == before


def test_a_temporary_that_became_the_output_is_no_leftover(here: Path) -> None:
    one = Temporary(here)
    one.file.write(b"all")
    one.finish()
    one.path.replace(here / "out")
    one.discard()
    remove_leftovers(here)
    assert [(path.name, path.read_bytes()) for path in here.iterdir()] == [("out", b"all")]


def test_a_scratch_folder_ends_with_its_block_also_after_an_exception(here: Path) -> None:
    with pytest.raises(ZeroDivisionError), ScratchFolder() as folder:
        (folder / "sub").mkdir()
        raise ZeroDivisionError
    assert list(here.iterdir()) == []


def test_a_scratch_folder_that_nobody_closed_ends_with_its_owner(here: Path) -> None:
    folder = ScratchFolder()
    assert folder.path.is_dir()
    del folder
    assert list(here.iterdir()) == []


def test_no_folder_for_temporary_files_is_an_error_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", nowhere)
    with pytest.raises(BadOutput, match="no folder for temporary files"):
        scratch_root()


def test_no_other_way_to_make_temporaries_is_in_use() -> None:
    """Whatever is made elsewhere would stay for ever once its run was killed."""
    package = Path(__file__).resolve().parents[2] / "edgeq"
    texts = {path.relative_to(package).as_posix(): path.read_text(encoding="utf-8") for path in package.rglob("*.py")}
    users = [name for name, text in sorted(texts.items()) if re.search(r"^ *(import|from) tempfile\b", text, re.MULTILINE)]
    nameless = [
        "data/given/spool.py",
        "learn/training/block_data.py",
        "metrics/kept.py",
        "numerics/rounding/exact_sums.py",
    ]  # files without names end with the process
    assert users == sorted(["io/temporaries.py", *nameless]), "Use ScratchFolder of edgeq/io/temporaries.py."
