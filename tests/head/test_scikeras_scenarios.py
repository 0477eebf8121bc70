"""Programs of scikeras's users: they run with the heads, with nothing changed but the classes."""

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


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_with_scikeras(scenario):
    scenario(KerasClassifier, KerasRegressor)
