"""Who may come in."""

from __future__ import annotations

import argparse
import sys

from pipeline.cli import say, words
from pipeline.cli.command import Command
from pipeline.cli.session import order, session


def users(options: argparse.Namespace) -> None:
    """Who may sign in: add (asks for the password), remove, list."""
    if options.action != "add":
        return _listed_or_removed(options, "users")
    from pipeline.accounts import hashed

    password = hashed(words.secret(f"Password for {options.name}: "))
    return order(options, "add_user", name=options.name, role=options.role, password=password)


def tokens(options: argparse.Namespace) -> None:
    """Tokens for machines: add (shows it once), remove, list."""
    if options.action != "add":
        return _listed_or_removed(options, "tokens")
    from pipeline.accounts import digest, new_token

    token = new_token()
    with session(options.data_dir) as call:
        call("add_token", name=options.name, role=options.role, sha256=digest(token))
    if options.json:
        return say.line({"name": options.name, "role": options.role, "token": token})
    print("Shown this once; send it as 'Authorization: Bearer ...'.", file=sys.stderr)
    print(token)
    return None


def _listed_or_removed(options: argparse.Namespace, table: str) -> None:
    if options.action == "remove":
        return order(options, "remove_account", table=table, name=options.name)
    with session(options.data_dir) as call:
        for line in call("accounts", table=table)["accounts"]:
            say.line(line) if options.json else print(f"{line['name']:<32} {line['role']}")
    return None


def _account(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["add", "remove", "list"])
    parser.add_argument("name", nargs="?", metavar="NAME")
    parser.add_argument("--role", choices=["viewer", "operator"], default="viewer", help="default: viewer")


USERS = Command(users, _account, monitor=False)
TOKENS = Command(tokens, _account, monitor=False)
