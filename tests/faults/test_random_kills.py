"""kill -9 at any time while batches come in: nothing is lost, nothing is counted twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.test_cli import ROOT

RANDOM = os.environ.get("DRIFT_RANDOM_KILLS", "3")  # `make soak` takes 200


@pytest.mark.faults
def test_killed_at_random_under_load(tmp_path):
    command = [sys.executable, "-m", "tests.faults.random_kills", str(tmp_path), RANDOM]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    told = json.loads(done.stdout)
    print(told)
    assert told["acknowledged"] > 0
    assert told["lost"] == told["doubled"] == 0
