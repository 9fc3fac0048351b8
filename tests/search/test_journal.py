"""The journal of a search: what is put there is there after a crash, a torn line is dropped,
another search's folder is refused.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgeq.errors import BadOutput
from edgeq.search.journal import Journal


def test_records_are_there_when_it_is_opened_again(tmp_path: Path) -> None:
    first = Journal(tmp_path / "a" / "work", "me")
    assert not first.resumed
    first.put("one", {"sqnr_db": 20.5, "missed": ["x"], "bytes": None})
    first.put("two", {"sqnr_db": float("inf")})
    again = Journal(tmp_path / "a" / "work", "me")
    assert again.resumed
    assert again.records == first.records == {"one": {"sqnr_db": 20.5, "missed": ["x"], "bytes": None}, "two": {"sqnr_db": float("inf")}}


def test_every_cut_of_the_file_loses_at_most_the_last_record(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "me")
    for name in ("one", "two"):
        journal.put(name, {"n": 1})
    path = tmp_path / "search.jsonl"
    whole = path.read_bytes()
    ends = [place + 1 for place, byte in enumerate(whole) if byte == ord("\n")]
    for size in range(ends[0], len(whole) + 1):
        path.write_bytes(whole[:size])
        found = Journal(tmp_path, "me")
        assert len(found.records) == sum(end <= size for end in ends[1:])
        found.put("three", {"n": 3})  # a torn line must not swallow what comes after it
        assert "three" in Journal(tmp_path, "me").records
    path.write_bytes(whole[:5])  # killed while it began
    assert not Journal(tmp_path, "me").resumed


def test_another_search_is_refused(tmp_path: Path) -> None:
    Journal(tmp_path, "me").put("one", {"n": 1})
    with pytest.raises(BadOutput, match="another search"):
        Journal(tmp_path, "you")


def test_a_damaged_line_is_refused(tmp_path: Path) -> None:
    Journal(tmp_path, "me").put("one", {"n": 1})
    with (tmp_path / "search.jsonl").open("ab") as file:
        file.write(b"not json\n")
    with pytest.raises(BadOutput, match="damaged"):
        Journal(tmp_path, "me")


def test_a_folder_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadOutput, match="cannot be used"):
        Journal(tmp_path / "file", "me")
    with pytest.raises(BadOutput, match="cannot be used"):
        Journal(tmp_path / "file" / "below", "me")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(BadOutput, match="cannot be used"):
        Journal(tmp_path, "me")


def test_without_a_folder_it_lives_in_memory() -> None:
    journal = Journal(None, "me")
    journal.put("one", {"n": 1})
    assert journal.get("one") == {"n": 1}
    assert journal.get("two") is None


def test_files_of_the_search_are_replaced_and_no_others(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "me")
    journal.keep("best.plan.json", "one")
    journal.keep("best.plan.json", "two")
    Journal(tmp_path, "me").keep("best.plan.json", "three")
    assert (tmp_path / "best.plan.json").read_text() == "three"
    (tmp_path / "best.plan.json").write_text("mine")
    again = Journal(tmp_path, "me")
    for call in (lambda: again.keep("best.plan.json", "four"), lambda: again.kept("best.plan.json")):
        with pytest.raises(BadOutput, match="has not written"):
            call()
    assert (tmp_path / "best.plan.json").read_text() == "mine"


def test_a_plan_that_was_there_before_the_search_is_refused(tmp_path: Path) -> None:
    (tmp_path / "draft.plan.json").write_text("mine")
    with pytest.raises(BadOutput, match="has not written") as error:
        Journal(tmp_path, "me").kept("draft.plan.json")
    assert error.value.where == str(tmp_path / "draft.plan.json")


@pytest.mark.parametrize("content", ["", "a note of mine", "two\nlines\n", '{"n": 1}\n'])
def test_a_file_of_the_user_that_bears_the_journals_name_stays_as_it_is(content: str, tmp_path: Path) -> None:
    path = tmp_path / "search.jsonl"
    path.write_text(content)
    if not content:
        assert not Journal(tmp_path, "me").resumed  # nothing is lost with it
        return
    with pytest.raises(BadOutput, match="not the journal"):
        Journal(tmp_path, "me")
    assert path.read_text() == content


@pytest.mark.parametrize("what", ["the folder", "the journal", "a plan"])
def test_links_are_not_followed(what: str, tmp_path: Path) -> None:
    real, work = tmp_path / "real", tmp_path / "work"
    real.mkdir()
    (real / "mine").write_text("precious")
    if what == "the folder":
        work.symlink_to(real)
    else:
        work.mkdir()
        (work / ("search.jsonl" if what == "the journal" else "best.plan.json")).symlink_to(real / "mine")
    with pytest.raises(BadOutput, match="follows no links"):
        Journal(work, "me").keep("best.plan.json", "new")
    assert [(path.name, path.read_text()) for path in real.iterdir()] == [("mine", "precious")]


def test_a_pipe_is_no_journal(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "search.jsonl")
    with pytest.raises(BadOutput, match="not a regular file"):
        Journal(tmp_path, "me")
