"""The command line: what each command takes, calls and prints; never computes. A file per kind of thing;
``run.py`` holds the table of them.

Heavy modules are imported by the command that needs them, so that ``--help`` answers at once.
"""
