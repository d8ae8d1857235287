"""The parser that is made of the table of commands."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path

from pipeline.cli.command import Command

EXAMPLES = """\
examples:
  run.py                                                       the dashboard, with the worked example in it
  run.py init churn --reference train.csv --target left        watch a model of your own
  run.py ingest monday.csv tuesday.csv --monitor churn         score batches (files)
  run.py status --monitor churn                                can the model be trusted today?
  run.py check --reference train.csv monday.csv                compare files; nothing is stored
"""


def parsed(commands: Mapping[str, Command], arguments: list[str]) -> argparse.Namespace:
    """What was said, with the command's function as ``run``; ``serve`` is the command when none is named.

    Parameters
    ----------
    commands : mapping of str to Command
        In the order in which they are listed.
    arguments : list of str

    Raises
    ------
    SystemExit
        With status 2 for wrong usage, 0 for ``--help``.
    """
    parser = _parser(commands)
    named = any(word in commands or word in ("-h", "--help") for word in arguments)
    options = parser.parse_args(arguments if named else ["serve", *arguments])
    if options.command in ("users", "tokens") and bool(options.name) == (options.action == "list"):
        parser.error(f"{options.command} {options.action} takes {'no' if options.name else 'a'} name")
    return options


def _parser(commands: Mapping[str, Command]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="run.py",
        description="Watches live models: says when their data drifts, retrains when it pays, shows the evidence.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    listed = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    default = os.environ.get("DRIFT_DATA_DIR", "data")
    for name, row in commands.items():
        command = listed.add_parser(name, help=row.run.__doc__, description=row.run.__doc__)
        command.set_defaults(run=row.run)
        command.add_argument("--data-dir", type=Path, default=Path(default), metavar="DIR", help=f"default: {default}/")
        if row.json:
            command.add_argument("--json", action="store_true", help="one JSON object a line on stdout")
        if row.monitor:
            command.add_argument("--monitor", metavar="NAME", help="may be left out when there is one")
        if row.note:
            command.add_argument("--note", default="", help="why; kept with the decision")
        row.own(command)
    return parser
