"""The command line: ``cli`` parses and prints, the rooms behind it compute."""

from __future__ import annotations

import io
import os
import sys

from cli.parser import COMMANDS, parsed
from storage.errors import ProductError

__all__ = ["COMMANDS", "main"]


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit status: 0 done, 1 failed, 2 wrong usage."""
    for stream in (sys.stdout, sys.stderr):  # a name may hold what the terminal's encoding does not
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    options = parsed(sys.argv[1:] if arguments is None else arguments)
    try:
        return options.run(options) or 0
    except ProductError as error:
        print(f"run.py {options.command}: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
