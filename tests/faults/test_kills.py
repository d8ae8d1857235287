"""kill -9 at the commits of a batch's way: nothing is lost, nothing is counted twice, one champion stays whole."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.test_cli import ROOT

STRIDE = int(os.environ.get("DRIFT_KILL_STRIDE", "5"))  # moments between two kills; `make soak` takes every one


@pytest.mark.faults
def test_killed_at_every_commit(tmp_path):
    command = [sys.executable, "-m", "tests.faults.kills", str(tmp_path), str(STRIDE)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) * STRIDE >= 40
