"""The inbox: only what has finished arriving, each file once, nothing lost when a name is used again."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import sources


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    (tmp_path / "m").mkdir()
    return tmp_path


def names(inbox: Path, looks: sources.Looks) -> tuple[sources.Looks, list[str]]:
    looks, arrivals = sources.look(inbox, looks)
    return looks, [arrival.name for arrival in arrivals]


def test_taken_at_the_second_equal_look(inbox):
    (inbox / "m" / "a.csv").write_text("1")
    looks, first = names(inbox, sources.Looks())
    (inbox / "m" / "a.csv").write_text("12")
    looks, grown = names(inbox, looks)
    looks, equal = names(inbox, looks)
    assert (first, grown, equal) == ([], [], ["a.csv"])


@pytest.mark.parametrize("name", ["a.part", "a.csv.tmp", "a.SWP", "a.csv~", ".hidden.csv", "a.crdownload"])
def test_unfinished_names_are_left_alone(inbox, name):
    (inbox / "m" / name).write_text("1")
    looks, _ = names(inbox, sources.Looks())
    assert names(inbox, looks)[1] == []


def test_links_and_folders_are_not_followed(inbox, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("keep out")
    (inbox / "m" / "link.csv").symlink_to(secret)
    (inbox / "m" / "folder.csv").mkdir()
    (inbox / "elsewhere").symlink_to(inbox / "m")
    looks, _ = names(inbox, sources.Looks())
    assert names(inbox, looks)[1] == []


def test_a_name_used_again_while_we_read_is_a_new_arrival(inbox):
    path = inbox / "m" / "a.csv"
    path.write_text("first")
    claimed = sources.claim(path)
    path.write_text("second")
    assert claimed.read_text() == "first"
    sources.acknowledge(claimed)
    looks, _ = names(inbox, sources.Looks())
    assert names(inbox, looks)[1] == ["a.csv"]
    assert path.read_text() == "second"


def test_a_claim_that_was_interrupted_is_put_back(inbox):
    path = inbox / "m" / "a.csv"
    path.write_text("first")
    sources.claim(path)
    sources.recover(inbox)
    assert path.read_text() == "first"


def test_a_missing_inbox_is_empty(tmp_path):
    assert names(tmp_path / "nowhere", sources.Looks())[1] == []
