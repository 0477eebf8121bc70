"""Processes that are killed or forked in the middle of real work."""

import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[1] / "tools"


@pytest.mark.slow
def test_fault_01_killed_extractions_end_with_the_features_of_an_undisturbed_one():
    command = [sys.executable, str(TOOLS / "kill_extractions.py"), "--kills", "2", "--images", "200"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "2 kills" in run.stdout
    assert "features equal" in run.stdout
