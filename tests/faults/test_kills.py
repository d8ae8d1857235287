"""kill -9 at named moments: nothing is lost, nothing is counted twice, one champion stays whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.test_cli import ROOT

STRIDE = int(os.environ.get("DRIFT_KILL_STRIDE", "33"))  # moments between two kills; `make soak` takes every one


@pytest.mark.faults
def test_killed_at_named_moments(tmp_path):
    command = [sys.executable, "-m", "tests.faults.kills", str(tmp_path), str(STRIDE)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    scripts = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["script"] for line in scripts] == ["deliver", "act"]
    assert all(line["moments"] * STRIDE >= 50 for line in scripts), scripts
    print(*scripts, sep="\n")
