"""Versions of a model: which there are, which was live, another champion."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from pipeline.cli import say, words
from pipeline.cli.command import Command
from pipeline.cli.session import order


def versions(options: argparse.Namespace) -> None:
    """The versions of a model, or what was live on a date and why."""
    from pipeline.views import reading

    with reading(options.data_dir) as service:
        name = service.the_monitor(options.monitor).name
        if options.at:
            return _live(service.live(name, *words.day(options.at)), options)
        for line in service.version_lines(name):
            if options.json:
                say.line(line)
            else:
                value = "" if line["value"] is None else f"{line['metric']} {line['value']:.3f}"
                print(f"v{line['version']:<4} {line['state']:<12} {line['recipe']:<24} {value:<16} {line['reason']}")
    return None


def _live(lines: list[dict[str, Any]], options: argparse.Namespace) -> None:
    for line in lines:
        if options.json:
            say.line(line)
        elif "since" in line:
            until = f"until {say.moment(line['until'])}" if line["until"] else "and still is"
            print(f"v{line['version']} was live from {say.moment(line['since'])} {until}. {line['reason']}")
        else:
            print(
                f"Batch #{line['batch']} ({line['name']}, {line['rows']:,} rows) was predicted by v{line['version']}."
            )
    if not lines:
        print(f"Nothing was live on {options.at}.", file=sys.stderr)


def reproduce(options: argparse.Namespace) -> int:
    """Train a version again from its lineage; status 1 if it answers otherwise."""
    from pipeline.views import reading

    with reading(options.data_dir) as service:
        found = service.reproduce(service.the_monitor(options.monitor).name, options.number)
    say.line(found) if options.json else print(found["text"])
    return 0 if found["same"] else 1


def promote(options: argparse.Namespace) -> None:
    """Make a version the champion."""
    order(options, "promote", number=options.number, note=options.note)


def rollback(options: argparse.Namespace) -> None:
    """Bring back the champion before this one."""
    order(options, "rollback", note=options.note)


def retrain(options: argparse.Namespace) -> None:
    """Ask for a contest now."""
    order(options, "retrain", note=options.note)


def _versions(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--at", metavar="DATE", help="what was live on this date (or at this moment), and why")


def _number(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("number", type=words.number, metavar="N", help="version number")


VERSIONS = Command(versions, _versions)
REPRODUCE = Command(reproduce, _number)
PROMOTE = Command(promote, _number, note=True)
ROLLBACK = Command(rollback, note=True)
RETRAIN = Command(retrain, note=True)
