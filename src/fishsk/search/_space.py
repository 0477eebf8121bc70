"""The space that OptunaSearchCV samples: from what users write to Optuna's distributions and back."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

_MAX_LISTED = 10_000  # candidates of a finite space


class Dimension(NamedTuple):
    """One parameter: Optuna's distribution, and the ways from its values to the parameter's and back."""

    distribution: Any
    decode: Callable[[Any], Any] = lambda value: value
    encode: Callable[[Any], Any] = lambda value: value


class Space:
    """Parameters that are drawn independently of each other.

    Parameters
    ----------
    param_distributions : mapping of str to distribution
        As in `OptunaSearchCV`.
    prefix : str, default=""
        What stands before the names of the parameters in the study.
    """

    def __init__(self, param_distributions: Mapping[str, Any], prefix: str = "") -> None:
        self.prefix = prefix
        self.dimensions = {name: _as_dimension(name, given) for name, given in param_distributions.items()}

    @property
    def distributions(self) -> dict[str, Any]:
        """Optuna's distribution of each parameter."""
        return {name: dimension.distribution for name, dimension in self.dimensions.items()}

    def suggest(self, trial: Any) -> dict[str, Any]:
        """Return the parameters that a running trial is to try."""
        from optuna.distributions import FloatDistribution, IntDistribution

        values = {}
        for name, d in self.distributions.items():
            key = self.prefix + name
            if isinstance(d, FloatDistribution):
                values[key] = trial.suggest_float(key, d.low, d.high, step=d.step, log=d.log)
            elif isinstance(d, IntDistribution):
                values[key] = trial.suggest_int(key, d.low, d.high, step=d.step, log=d.log)
            else:
                values[key] = trial.suggest_categorical(key, d.choices)
        return self.decode(values)

    def decode(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the estimator's parameters for the values that a trial holds."""
        return {
            name: dimension.decode(values[self.prefix + name])
            for name, dimension in self.dimensions.items()
            if self.prefix + name in values
        }

    def encode(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of a trial for some of the estimator's parameters; ValueError for others."""
        values = {}
        for name, value in params.items():
            try:
                values[self.prefix + name] = _check_value(self.dimensions[name], value)
            except (KeyError, TypeError, ValueError):
                raise ValueError(
                    f"initial_params must lie in param_distributions, {self.distributions}. "
                    f"Got {name}={value!r}."
                ) from None
        return values

    def candidates(self) -> Iterator[dict[str, Any]] | None:
        """Return the values of all candidates, or None where they are too many to be listed."""
        choices: dict[str, Sequence[Any]] = {}
        for name, distribution in self.distributions.items():
            values = _list_values(distribution)
            if values is None:
                return None
            choices[self.prefix + name] = values
        if math.prod(map(len, choices.values())) > _MAX_LISTED:
            return None
        return (dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values()))


class UnionSpace:
    """Several spaces, of which each candidate belongs to one, as in scikit-learn's list of dicts."""

    _CHOICE = "space"

    def __init__(self, spaces: Sequence[Mapping[str, Any]]) -> None:
        # One name has one distribution in a study, so that each space has names of its own.
        self.spaces = [Space(space, prefix=f"{index}:") for index, space in enumerate(spaces)]

    def suggest(self, trial: Any) -> dict[str, Any]:
        """Return the parameters that a running trial is to try."""
        return self.spaces[trial.suggest_categorical(self._CHOICE, range(len(self.spaces)))].suggest(trial)

    def decode(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the estimator's parameters for the values that a trial holds."""
        return self.spaces[values[self._CHOICE]].decode(values)

    def encode(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of a trial for parameters of one of the spaces."""
        for index, space in enumerate(self.spaces):
            if params.keys() <= space.dimensions.keys():
                return {self._CHOICE: index} | space.encode(params)
        raise ValueError(f"initial_params must be parameters of one of the spaces. Got {sorted(params)}.")

    def candidates(self) -> Iterator[dict[str, Any]] | None:
        """Return the values of all candidates, or None where they are too many to be listed."""
        listed = [space.candidates() for space in self.spaces]
        if None in listed:
            return None
        return ({self._CHOICE: i} | values for i, part in enumerate(listed) for values in part or ())


class CallableSpace:
    """A function of the trial that returns the estimator's parameters, in Optuna's define-by-run way."""

    def __init__(self, function: Callable[[Any], Mapping[str, Any]]) -> None:
        self.function = function

    def suggest(self, trial: Any) -> dict[str, Any]:
        """Return the parameters that a running trial is to try."""
        return dict(self.function(trial))

    def decode(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the estimator's parameters for the values that a trial holds."""
        from optuna.trial import FixedTrial

        return dict(self.function(FixedTrial(dict(values))))

    def encode(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of a trial, which are those that the function asks the trial for."""
        return dict(params)

    def candidates(self) -> None:
        """Return None: what a function may ask for is not known."""


def make_space(param_distributions: Any) -> Space | UnionSpace | CallableSpace:
    """Return the space that a dict, a list of dicts, or a function of the trial describes."""
    if isinstance(param_distributions, Mapping):
        return Space(param_distributions)
    if callable(param_distributions):
        return CallableSpace(param_distributions)
    if not param_distributions or not all(isinstance(part, Mapping) for part in param_distributions):
        raise TypeError(
            "param_distributions must be a dict, a list of dicts, or a function of the trial. "
            f"Got {param_distributions!r}."
        )
    return UnionSpace(param_distributions)


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
    if not _is_law(given):
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


def _check_value(dimension: Dimension, param: Any) -> Any:
    """Return the value of a trial for a parameter; ValueError if it is not in the distribution."""
    distribution, value = dimension.distribution, dimension.encode(param)
    if hasattr(distribution, "choices"):
        valid = value in distribution.choices
    else:
        valid = distribution.low <= value <= distribution.high
    if not valid:
        raise ValueError(f"{param!r} is not in {distribution}")
    return value


def _is_law(given: Any) -> bool:
    """Return whether something is a frozen distribution of scipy.stats, or an `rv_discrete` of values."""
    return hasattr(given, "ppf") and (hasattr(given, "dist") or hasattr(given, "xk"))


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
    labels = [f"{i}: {_label(choice)}" for i, choice in enumerate(choices)]

    def encode(choice: Any) -> str:
        same = [i for i, each in enumerate(choices) if type(each) is type(choice) and each == choice]
        return labels[same[0] if same else choices.index(choice)]

    return Dimension(CategoricalDistribution(labels), lambda label: choices[labels.index(label)], encode)


def _label(choice: Any) -> str:
    text = getattr(choice, "__qualname__", None) or re.sub(r" at 0x[0-9a-fA-F]+", "", repr(choice))
    return " ".join(text.split())[:80]


def _list_values(distribution: Any) -> Sequence[Any] | None:
    """Return all values of a distribution, or None where it has too many."""
    from optuna.distributions import CategoricalDistribution, IntDistribution

    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices
    if isinstance(distribution, IntDistribution):
        return range(distribution.low, distribution.high + 1, distribution.step)
    return [distribution.low] if distribution.single() else None


def describe_space(param_distributions: Any) -> Any:
    """Return what tells one space from another; laws of scipy hold a random state that does not."""
    if isinstance(param_distributions, Mapping):
        return {name: _describe(given) for name, given in param_distributions.items()}
    if callable(param_distributions):
        return param_distributions
    return [describe_space(part) for part in param_distributions]


def _describe(given: Any) -> Any:
    if not _is_law(given):
        return given
    return (given.dist.name, given.args, given.kwds) if hasattr(given, "dist") else (given.xk, given.pk)


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
    heads = {f"{name}__": part for name, part in parts.items() if isinstance(part, kinds)}
    if isinstance(pipeline, kinds):
        heads = {"": pipeline}
    if not heads:
        raise ValueError(
            f"pipeline must be a Keras head or hold one. Got {pipeline!r}. "
            "Write param_distributions for it yourself."
        )
    prefix = min(heads, key=len)
    space = {
        "hidden_units": CategoricalDistribution([0, 64, 128, 256, 512, 1024]),
        "dropout": FloatDistribution(0.0, 0.7),
        "learning_rate": FloatDistribution(1e-4, 1e-2, log=True),
        "l2": FloatDistribution(1e-5, 1.0, log=True),
        "batch_size": CategoricalDistribution([16, 32, 64, 128]),
        "epochs": IntDistribution(5, 50),
    }
    return {prefix + name: distribution for name, distribution in space.items()}
