"""The space that OptunaSearchCV samples: from what users write to Optuna's distributions and back."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fishsk._compat.optuna import suggest

_MAX_LISTED = 10_000  # candidates of a finite space
_CHOICE = "space"  # which of several dicts a candidate belongs to


class Dimension(NamedTuple):
    """One parameter: Optuna's distribution, and the ways from its values to the parameter's and back."""

    distribution: Any
    decode: Callable[[Any], Any] = lambda value: value
    encode: Callable[[Any], Any] = lambda value: value


class Space:
    """A dict of distributions, or several, as a function of Optuna's trial that returns parameters."""

    def __init__(self, param_distributions: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
        parts = param_distributions
        parts = [parts] if isinstance(parts, Mapping) else parts
        self.parts = [{name: _as_dimension(name, given) for name, given in part.items()} for part in parts]

    def __call__(self, trial: Any) -> dict[str, Any]:
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

    def encode(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of a trial for some of the estimator's parameters; ValueError for others."""
        index = next((i for i, part in enumerate(self.parts) if params.keys() <= part.keys()), 0)
        values = {_CHOICE: index} if len(self.parts) > 1 else {}
        for name, param in params.items():
            try:
                distribution, _, encode = self.parts[index][name]
                value, listed = encode(param), _list_values(distribution)
                valid = distribution.low <= value <= distribution.high if listed is None else value in listed
            except (KeyError, TypeError, ValueError):
                valid = False
            if not valid:
                known = {name: each.distribution for name, each in self.parts[index].items()}
                raise ValueError(
                    f"initial_params must lie in param_distributions, {known}. Got {name}={param!r}."
                )
            values[self._key(index, name)] = value
        return values

    def candidates(self) -> list[dict[str, Any]] | None:
        """Return the values of all candidates, or None where they are too many to be listed."""
        listed: list[dict[str, Any]] = []
        for index, part in enumerate(self.parts):
            choices: dict[str, Sequence[Any]] = {_CHOICE: [index]} if len(self.parts) > 1 else {}
            for name, dimension in part.items():
                values = _list_values(dimension.distribution)
                if values is None:
                    return None
                choices[self._key(index, name)] = values
            if math.prod(map(len, choices.values())) > _MAX_LISTED:
                return None
            listed += [dict(zip(choices, row, strict=True)) for row in itertools.product(*choices.values())]
        return listed


def make_space(param_distributions: Any) -> Space | Callable[[Any], Mapping[str, Any]]:
    """Return the function of the trial that a dict or a list of dicts describes, or that was given."""
    if callable(param_distributions):
        return param_distributions
    if not isinstance(param_distributions, Mapping) and not (
        param_distributions and all(isinstance(part, Mapping) for part in param_distributions)
    ):
        raise TypeError(
            "param_distributions must be a dict, a list of dicts, or a function of the trial. "
            f"Got {param_distributions!r}."
        )
    return Space(param_distributions)


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
        FloatDistribution(end, 1 - end),
        decode,
        lambda value: float(np.clip(given.cdf(value), end, 1 - end)),
    )


def _categorical(name: str, choices: list[Any]) -> Dimension:
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

    def encode(choice: Any) -> str:
        same = [i for i, each in enumerate(choices) if type(each) is type(choice) and each == choice]
        return labels[same[0] if same else choices.index(choice)]

    return Dimension(CategoricalDistribution(labels), lambda label: choices[labels.index(label)], encode)


def _list_values(distribution: Any) -> Sequence[Any] | None:
    """Return all values of a distribution, or None where it has too many."""
    from optuna.distributions import CategoricalDistribution, IntDistribution

    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices
    if isinstance(distribution, IntDistribution):
        return range(distribution.low, distribution.high + 1, distribution.step)
    return [distribution.low] if distribution.single() else None


def default_search_space(pipeline: Any) -> dict[str, Any]:
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

    from fishsk.head import KerasHeadClassifier, KerasHeadRegressor

    kinds = (KerasHeadClassifier, KerasHeadRegressor)
    parts = pipeline.get_params() if hasattr(pipeline, "get_params") else {}
    prefixes = [f"{name}__" for name, part in parts.items() if isinstance(part, kinds)]
    if isinstance(pipeline, kinds):
        prefixes.append("")
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
