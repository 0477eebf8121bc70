"""The space that OptunaSearchCV samples: from what users write to Optuna's distributions and back."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from fishsk._compat.optuna import suggest

if TYPE_CHECKING:
    import optuna
    from sklearn.base import BaseEstimator

    SpaceFunction: TypeAlias = Callable[[optuna.Trial | optuna.trial.FixedTrial], Mapping[str, object]]

_MAX_LISTED = 10_000  # candidates of a finite space
_CHOICE = "space"  # which of several dicts a candidate belongs to


class Dimension(NamedTuple):
    """One parameter: Optuna's distribution, and the ways from its values to the parameter's and back."""

    distribution: optuna.distributions.BaseDistribution
    decode: Callable[[Any], Any] = lambda value: value
    encode: Callable[[Any], Any] = lambda value: value


class Space:
    """A dict of distributions, or several, as a function of Optuna's trial that returns parameters."""

    def __init__(self, param_distributions: Mapping[str, object] | Sequence[Mapping[str, object]]) -> None:
        parts = param_distributions
        parts = [parts] if isinstance(parts, Mapping) else parts
        self.parts = [{name: _as_dimension(name, given) for name, given in part.items()} for part in parts]

    def __call__(self, trial: optuna.Trial | optuna.trial.FixedTrial) -> dict[str, object]:
        """Return the estimator's parameters for a trial that runs, or for the values that one holds."""
        n_parts = len(self.parts)
        index = trial.suggest_categorical(_CHOICE, range(n_parts)) if n_parts > 1 else 0
        return {
            name: dimension.decode(suggest(trial, self._key(index, name), dimension.distribution))
            for name, dimension in self.parts[index].items()
        }

    def _key(self, index: int, name: str) -> str:
        # One name has one distribution in a study, so that each of several parts has names of its own.
        return f"{index}:{name}" if len(self.parts) > 1 else name

    def encode(self, params: Mapping[str, object]) -> dict[str, object]:
        """Return the values of a trial for some of the estimator's parameters; ValueError for others."""
        from optuna.trial import create_trial

        index = next((i for i, part in enumerate(self.parts) if params.keys() <= part.keys()), 0)
        known = {name: dimension.distribution for name, dimension in self.parts[index].items()}
        try:
            values = {name: self.parts[index][name].encode(param) for name, param in params.items()}
            create_trial(value=0.0, params=values, distributions={name: known[name] for name in values})
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"initial_params must lie in param_distributions, {known}. Got {params!r}."
            ) from error
        chosen: dict[str, object] = {_CHOICE: index} if len(self.parts) > 1 else {}
        return chosen | {self._key(index, name): value for name, value in values.items()}

    def candidates(self) -> list[dict[str, object]] | None:
        """Return the values of all candidates, or None where they are too many to be listed."""
        listed: list[dict[str, object]] = []
        for index, part in enumerate(self.parts):
            choices: dict[str, Sequence[object]] = {_CHOICE: [index]} if len(self.parts) > 1 else {}
            for name, dimension in part.items():
                values = _list_values(dimension.distribution)
                if values is None:
                    return None
                choices[self._key(index, name)] = values
            if math.prod(map(len, choices.values())) > _MAX_LISTED:
                return None
            listed += [dict(zip(choices, row, strict=True)) for row in itertools.product(*choices.values())]
        return listed


def _as_dimension(name: str, given: Any) -> Dimension:
    from optuna.distributions import (
        BaseDistribution,
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if isinstance(given, CategoricalDistribution):
        return _categorical(name, list(given.choices))
    if isinstance(given, BaseDistribution):
        return Dimension(given)
    if isinstance(given, range) and len(given):
        low, high = sorted((given[0], given[-1]))
        return Dimension(IntDistribution(low, high, step=abs(given.step)))
    if isinstance(given, (list, tuple, range, np.ndarray)):
        return _categorical(name, list(given))
    if not hasattr(given, "ppf") or not (hasattr(given, "dist") or hasattr(given, "xk")):
        raise TypeError(
            f"param_distributions[{name!r}] must be a distribution of optuna.distributions, one of "
            f"scipy.stats with its parameters, a range, or a list of choices. Got {given!r}."
        )
    low, high = (np.asarray(end).item() for end in given.support())
    law = getattr(getattr(given, "dist", None), "name", None)
    if law == "uniform":
        return Dimension(FloatDistribution(low, high))
    if law in ("loguniform", "reciprocal") and np.isclose(given.median(), np.sqrt(low * high)):
        return Dimension(FloatDistribution(low, high, log=True))
    if law == "randint":
        return Dimension(IntDistribution(low, high))
    # Any other law is sampled by its quantiles; its ends, which may be infinite, are left out.
    end = 2**-20

    def decode(quantile: float) -> float | int:
        value = float(given.ppf(quantile))
        return int(value) if hasattr(given, "pmf") and value.is_integer() else value

    return Dimension(
        FloatDistribution(end, 1 - end), decode, lambda value: float(np.clip(given.cdf(value), end, 1 - end))
    )


def _categorical(name: str, choices: list[object]) -> Dimension:
    from optuna.distributions import CategoricalDistribution

    if not choices:
        raise ValueError(f"param_distributions[{name!r}] must hold at least one choice. Got an empty list.")
    choices = [choice.item() if isinstance(choice, np.generic) else choice for choice in choices]
    plain = all(choice is None or isinstance(choice, (bool, int, float, str)) for choice in choices)
    if plain and len(set(choices)) == len(choices):
        return Dimension(CategoricalDistribution(choices))
    # A study keeps only plain values, and takes 1, 1.0 and True for one: other choices go by a name that is
    # the same in every process.
    names = [
        getattr(choice, "__qualname__", None) or re.sub(r" at 0x\w+", "", repr(choice)) for choice in choices
    ]
    labels = [f"{i}: {' '.join(name.split())[:80]}" for i, name in enumerate(names)]

    def encode(choice: object) -> str:
        same = [i for i, each in enumerate(choices) if type(each) is type(choice) and each == choice]
        return labels[same[0] if same else choices.index(choice)]

    return Dimension(CategoricalDistribution(labels), lambda label: choices[labels.index(label)], encode)


def _list_values(distribution: optuna.distributions.BaseDistribution) -> Sequence[object] | None:
    """Return all values of a distribution, or None where it has too many."""
    from optuna.distributions import CategoricalDistribution, IntDistribution

    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices
    if isinstance(distribution, IntDistribution):
        return range(distribution.low, distribution.high + 1, distribution.step)
    return [distribution.low] if distribution.single() else None


def default_search_space(pipeline: BaseEstimator) -> dict[str, optuna.distributions.BaseDistribution]:
    """Return the parameters worth searching in a pipeline with a Keras head, and their distributions.

    Only the head is searched, since its candidates share one pass of the features; the example shows how to
    search settings of the features too.

    Parameters
    ----------
    pipeline : estimator object
        A `KerasHeadClassifier` or `KerasHeadRegressor`, or a Pipeline or another meta-estimator that holds
        one.

    Returns
    -------
    dict of str to optuna.distributions.BaseDistribution
        Distributions of the head's parameters, under the names that `pipeline` knows them by.

    Raises
    ------
    ValueError
        If `pipeline` holds no Keras head.

    See Also
    --------
    OptunaSearchCV : Takes it as `param_distributions`.

    Examples
    --------
    >>> from fishsk import default_search_space, make_fish_pipeline
    >>> space = default_search_space(make_fish_pipeline(weights="cifar95"))
    >>> sorted(space)[:3]
    ['head__batch_size', 'head__dropout', 'head__epochs']
    >>> space = space | {"features__pooling": ["avg", "max"]}

    Of numbers, where the head is inside of what scales the targets:

    >>> sorted(default_search_space(make_fish_pipeline(task="regression", weights="cifar95")))[0]
    'head__regressor__batch_size'
    """
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    from fishsk.head import KerasHead

    parts = {"": pipeline} | {f"{name}__": part for name, part in pipeline.get_params().items()}
    prefixes = [prefix for prefix, part in parts.items() if isinstance(part, KerasHead)]
    if not prefixes:
        raise ValueError(
            f"pipeline must be a Keras head or hold one. Got {pipeline!r}. "
            "Write param_distributions for it yourself."
        )
    space = {
        "hidden_units": CategoricalDistribution([0, 64, 128, 256, 512, 1024]),
        "dropout": FloatDistribution(0.0, 0.7),
        "learning_rate": FloatDistribution(1e-4, 1e-2, log=True),
        "l2": FloatDistribution(1e-5, 1.0, log=True),
        "batch_size": CategoricalDistribution([16, 32, 64, 128]),
        "epochs": IntDistribution(5, 50),
    }
    return {min(prefixes, key=len) + name: distribution for name, distribution in space.items()}
