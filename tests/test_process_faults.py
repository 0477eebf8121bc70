"""Processes that are killed or forked in the middle of real work."""

import os
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


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_fault_49_a_storm_of_eight_processes_ends_with_no_wrong_row_and_no_exception():
    command = [sys.executable, str(TOOLS / "storm_cache.py"), "--seconds", "8"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert " 0 wrong" in run.stdout
    assert " 0 exceptions" in run.stdout
