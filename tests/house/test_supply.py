"""What is installed is what was pinned: every package by version and hash, wherever the machine gets it from."""

from __future__ import annotations

import json
import re
from importlib.metadata import PackageNotFoundError, version

import pytest
from cyclonedx.output.json import JsonV1Dot6

from tests.house.audit import LOCKS, judged
from tests.house.bom import ROOT, bom, pins

FLOORS = {"dash": "2.15", "werkzeug": "3.0.6", "pyarrow": "14.0.1", "skops": "0.13", "filelock": "3.20.3"}


def named(text: str) -> dict[str, str]:
    """Pins of a .in file, by the name that a lock uses."""
    return {name.lower(): pin for name, pin in re.findall(r"^([\w.-]+)==(\S+)$", text, re.M)}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_is_pinned_with_hashes_and_no_address(lock):
    text = (ROOT / lock).read_text()
    found = pins(text)
    assert len(found) == len(re.findall(r"^[^\s#]", text, re.M))
    assert all(hashes for hashes in found.values())
    assert not re.search(r"://|--(extra-)?index|--find-links|--trusted", text)
    wanted = named((ROOT / lock).with_suffix(".in").read_text())
    assert wanted
    assert wanted.items() <= dict(found.keys()).items()


def test_both_locks_agree():
    first, second = (dict(pins((ROOT / lock).read_text()).keys()) for lock in LOCKS)
    assert {
        name: (first[name], second[name]) for name in first.keys() & second.keys() if first[name] != second[name]
    } == {}


def test_what_is_installed_is_what_is_pinned():
    wrong = {}
    for lock in LOCKS:
        for name, pin in pins((ROOT / lock).read_text()):
            try:
                here = version(name)
            except PackageNotFoundError:
                continue  # for another platform or Python
            if here != pin and name not in ("pip", "setuptools"):
                wrong[name] = (here, pin)
    assert wrong == {}


def test_nothing_is_older_than_what_mended_a_known_hole():
    def parts(text: str) -> list[int]:
        return [int(part) for part in re.findall(r"\d+", text)]

    found = dict(pins((ROOT / LOCKS[0]).read_text()).keys())
    assert {name for name, floor in FLOORS.items() if parts(found[name]) < parts(floor)} == set()


def test_the_bill_of_materials_names_every_package_and_is_the_same_twice():
    text = (ROOT / LOCKS[0]).read_text()
    one, two = (JsonV1Dot6(bom(text)).output_as_string() for _ in range(2))
    assert one == two
    bill = json.loads(one)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert {(item["name"], item["version"]) for item in bill["components"]} == set(pins(text))
    assert all(item["purl"].startswith("pkg:pypi/") and item["hashes"] for item in bill["components"])


def test_holes_are_told_and_silence_is_none(monkeypatch):
    found = [
        {"name": "a", "version": "1", "vulns": []},
        {"name": "b", "version": "2", "vulns": [{"id": "X-1", "aliases": ["Y-1"], "fix_versions": ["3"]}]},
        {"name": "c", "skip_reason": "no answer"},
    ]
    assert judged(found) == (["b 2: X-1, mended in 3"], 1)
    monkeypatch.setitem(judged.__globals__["ACCEPTED"], "Y-1", "not called")
    assert judged(found) == ([], 1)
