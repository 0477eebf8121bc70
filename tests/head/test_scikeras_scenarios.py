"""Programs of scikeras's users: they run with the heads, with nothing changed but the classes."""

import importlib.util
from pathlib import Path

import pytest
from scenarios import DIFFERENT, SCENARIOS
from scikeras.wrappers import KerasClassifier, KerasRegressor

from fishsk import KerasHeadClassifier, KerasHeadRegressor

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning"
)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_with_the_heads(scenario):
    if scenario.__name__ not in DIFFERENT:
        scenario(KerasHeadClassifier, KerasHeadRegressor)
        return
    with pytest.raises((AssertionError, ValueError, pytest.fail.Exception)):
        scenario(KerasHeadClassifier, KerasHeadRegressor)


def test_ninety_five_percent_run_as_they_are():
    assert DIFFERENT.keys() <= {scenario.__name__ for scenario in SCENARIOS}
    assert len(DIFFERENT) <= 0.05 * len(SCENARIOS)


def test_the_table_of_the_guide_lists_each_scenario():
    pytest.importorskip("sphinx")
    root = Path(__file__).parents[2]
    spec = importlib.util.spec_from_file_location("table", root / "docs" / "_ext" / "scikeras_scenarios.py")
    table = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(table)
    parts, different = table.read_scenarios(
        Path(__file__).with_name("scenarios.py").read_text(encoding="utf-8")
    )
    summaries = [summary for _, of_part in parts for summary in of_part]
    assert sorted([*summaries, *different]) == sorted(scenario.__doc__ for scenario in SCENARIOS)
    assert all(summaries)


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_with_scikeras(scenario):
    scenario(KerasClassifier, KerasRegressor)
