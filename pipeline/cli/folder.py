"""The data folder: examined, backed up, brought back; rows taken out of it."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline.cli import say
from pipeline.cli.command import Command
from pipeline.cli.session import order


def doctor(options: argparse.Namespace) -> int:
    """Check every promise; status 1 if one is broken."""
    from pipeline.chores import doctor as examine

    findings = list(examine(options.data_dir))
    for finding in findings:
        if options.json:
            say.line({"check": finding.check, "ok": finding.ok, "text": finding.text})
        else:
            print(f"{'ok  ' if finding.ok else 'BAD '} {finding.text}")
    return 0 if all(finding.ok for finding in findings) else 1


def backup(options: argparse.Namespace) -> None:
    """A whole, checked copy, while the program runs."""
    from storage.upkeep import backup as copy

    made = copy(options.data_dir, options.out)
    say.line({"backup": str(made)}) if options.json else print(f"Backup: {made}")


def _backup(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: backups/ in the data folder")


def restore(options: argparse.Namespace) -> None:
    """Bring a backup back into a new folder."""
    from storage.upkeep import restore as bring_back

    made = bring_back(options.backup, options.data_dir)
    say.line({"data_dir": str(made)}) if options.json else print(f"Restored into {made}")


def _restore(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("backup", type=Path, metavar="BACKUP")


def forget(options: argparse.Namespace) -> None:
    """Remove rows by id, or a whole batch, from the data folder."""
    order(options, "forget", batch_id=options.batch, keys=options.id or [])


def _forget(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--batch", type=int, metavar="BATCH")
    parser.add_argument("--id", action="append", metavar="ID", help="id of a row; may be repeated")


def support(options: argparse.Namespace) -> None:
    """A bundle for who helps: versions, settings, counts, last errors; nothing of the data."""
    from pipeline.support import bundle
    from storage.errors import Refused

    out = options.out or Path("drift-support.zip")
    try:
        out.write_bytes(bundle(options.data_dir))
    except OSError as error:
        raise Refused(f"{out} cannot be written: {error.strerror}.") from error
    say.line({"support": str(out)}) if options.json else print(f"Support bundle: {out}")


def _support(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: drift-support.zip here")


DOCTOR = Command(doctor, monitor=False)
BACKUP = Command(backup, _backup, monitor=False)
RESTORE = Command(restore, _restore, monitor=False)
FORGET = Command(forget, _forget)
SUPPORT = Command(support, _support, monitor=False)
