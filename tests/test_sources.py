"""The inbox: only what has finished arriving, each file once, nothing lost when a name is used again."""

from __future__ import annotations

import os
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


def test_claims_of_one_name_do_not_overwrite_each_other(inbox):
    path = inbox / "m" / "a.csv"
    path.write_text("first")
    first = sources.claim(path)
    path.write_text("second")
    second = sources.claim(path)
    path.write_text("third")
    sources.release(first)
    assert (first.read_text(), second.read_text(), path.read_text()) == ("first", "second", "third")
    path.unlink()
    sources.recover(inbox)
    assert path.read_text() in ("first", "second")


def test_the_longest_name_can_be_claimed(inbox):
    path = inbox / "m" / ("n" * 251 + ".csv")
    path.write_text("1")
    sources.acknowledge(sources.claim(path))
    assert list((inbox / "m").iterdir()) == []


def test_a_claim_of_what_is_gone_leaves_nothing_behind(inbox):
    with pytest.raises(FileNotFoundError):
        sources.claim(inbox / "m" / "gone.csv")
    assert list((inbox / "m").iterdir()) == []


def test_labels_can_be_stored_whatever_the_bytes_of_the_name(inbox):
    path = inbox / "m" / os.fsdecode(b"caf\xe9.csv")
    path.write_text("12345")
    looks, _ = sources.look(inbox, sources.Looks())
    _, (arrival,) = sources.look(inbox, looks)
    assert arrival.name == "caf\N{REPLACEMENT CHARACTER}.csv"
    assert arrival.path.read_text() == "12345"
    assert arrival.size == 5


def test_files_come_in_order_of_their_last_change(inbox):
    for at, name in enumerate(["c.csv", "a.csv", "b.csv"]):
        (inbox / "m" / name).write_text(name)
        os.utime(inbox / "m" / name, ns=(at, at))
    looks, _ = names(inbox, sources.Looks())
    assert names(inbox, looks)[1] == ["c.csv", "a.csv", "b.csv"]


def test_a_pipe_is_no_file(inbox):
    os.mkfifo(inbox / "m" / "pipe.csv")
    looks, _ = names(inbox, sources.Looks())
    assert names(inbox, looks)[1] == []


def test_a_new_source_is_one_row():
    def fetch(place: Path, looks: sources.Looks) -> tuple[sources.Looks, list[sources.Arrival]]:
        return looks, [sources.Arrival("m", "a.csv", place / "a.csv")]

    table = sources.SOURCES | {"mail": sources.Source("mail", "Mailbox", fetch)}
    assert [row.name for row in table.values()] == ["inbox", "mail"]
    assert table["mail"].fetch(Path("x"), sources.Looks())[1][0].name == "a.csv"
