"""OptunaSearchCV: hyperparameter search on Optuna with the interface of scikit-learn's searches."""

from __future__ import annotations

import copy
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.model_selection import check_cv
from sklearn.utils import check_random_state
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import indexable

from fishsk._compat.sklearn import (
    BaseSearchCV,
    HasMethods,
    Interval,
    check_method_params,
    find_scorers,
    fit_context,
    warn_or_raise_about_fit_failures,
)
from fishsk._utils.versions import link_documentation
from fishsk.search._space import Space
from fishsk.search._study import (
    SeededSampler,
    copy_to_memory,
    digest_search,
    open_storage,
    open_study,
    quiet_optuna,
)
from fishsk.search._trials import (
    CrossValidation,
    count_workers,
    fill_folds,
    finished_trials,
    folds_of,
    lost_storage_is_an_os_error,
    run_trials,
    run_worker,
    show_progress,
)

if TYPE_CHECKING:
    import optuna
    from numpy.typing import ArrayLike
    from sklearn.base import BaseEstimator

    from fishsk._utils.typing import Folds, RandomState
    from fishsk.search._space import SpaceFunction


class OptunaSearchCV(BaseSearchCV):
    """Hyperparameter search with cross-validation, guided, pruned and kept by Optuna [1]_.

    It works like scikit-learn's `RandomizedSearchCV`: `fit` tries `n_trials` candidates by cross-validation
    and refits the best, which then predicts and scores. Three things differ: candidates are drawn where
    earlier ones were good, a poor one stops after a fold or two, and a search that is kept in a database
    can be interrupted, resumed, and shared by processes and hosts.

    Parameters
    ----------
    estimator : estimator object
        The estimator to search; clones of it are fitted.
    param_distributions : dict, list of dicts, or callable
        For each parameter a distribution of `optuna.distributions`, one of `scipy.stats`, a range, or a list
        of choices. Optuna sees scipy's uniform, loguniform and randint as they are, and the quantiles of
        other laws. Of a list of dicts each candidate belongs to one. A callable gets Optuna's trial, and
        returns the parameters, some of which may depend on others. `default_search_space` returns a dict for
        a pipeline.
    n_trials : int or None, default=10
        How many candidates the study holds in the end: a resumed search runs those that are left. Candidates
        that are pruned or that fail count. None is tried twice; a space of fewer candidates ends the search.
        With several processes, each but one may add one more. None means until `timeout`.
    timeout : float or None, default=None
        Seconds after which no new candidate is started; at least one is finished.
    cv : int, cross-validation generator or iterable, default=None
        The splits, as in `RandomizedSearchCV`; all candidates are tried on the same ones. To resume a search
        whose splits are shuffled, give the splitter an integer `random_state`.
    scoring : str, callable, list, tuple, dict or None, default=None
        As in `RandomizedSearchCV`. Of several scores, the one that `refit` names guides the study, or else
        the first.
    refit : bool, str or callable, default=True
        As in `RandomizedSearchCV`.
    n_jobs : int or None, default=None
        How many processes work on the study. In a thread, and where joblib is told to use threads, it is one.
    sampler : optuna.samplers.BaseSampler or None, default=None
        None is a `TPESampler` whose seed follows `random_state` and the number of trials, so that a resumed
        search goes on with the candidates that an undisturbed one would have tried. A custom sampler is
        used as it is on a new study, and gets fresh entropy where the study already holds trials or where
        several processes use it.
    pruner : optuna.pruners.BasePruner or None, default=None
        Decides after each fold whether a candidate goes on; the fold's score is reported under its index.
        None is a `MedianPruner`; `optuna.pruners.NopPruner()` prunes nothing.
    study_name : str or None, default=None
        Name of the study in `storage`. None derives it from a digest of the estimator, the distributions, the
        scoring, the splits and the data. If the study of that name holds another search, such as that of
        another fold of an outer cross-validation, the digest is appended to it.
    storage : str, path-like, optuna.storages.BaseStorage or None, default=None
        Where the study is kept: a path is that of an SQLite file, a URL that of any database Optuna can use.
        None keeps it in memory (or in a temporary SQLite file, for several processes). If it holds this
        search already, the search is resumed: trials whose process died are marked failed and tried again. A
        storage of Optuna does that if it was made with a `heartbeat_interval` and a callback that retries.
    error_score : "raise" or float, default=np.nan
        The score of a fold whose fit raises, as in `RandomizedSearchCV`.
    return_train_score : bool, default=False
        Whether `cv_results_` holds scores on the training parts, too.
    initial_params : list of dict or None, default=None
        Candidates that a new study tries first, such as settings known to be good: some or all parameters of
        `param_distributions`, the others are drawn. Where `param_distributions` is a callable, they are the
        values that it asks the trial for.
    random_state : int, RandomState instance or None, default=None
        Seeds the default sampler. With an int and ``n_jobs=1`` the same candidates are tried each time; with
        more processes their order in time matters, once the sampler looks at scores.
    verbose : int, default=0
        1 shows a progress bar, 2 also Optuna's own log lines.
    callbacks : list of callable or None, default=None
        Called as ``callback(study, trial)`` after each trial, in the process that ran it; it may call
        ``study.stop()``.

    Attributes
    ----------
    cv_results_ : dict of ndarrays
        As in `RandomizedSearchCV`: params, param_*, split*_test_*, mean_test_*, std_test_*, rank_test_*, and
        fit and score times; moreover ``trial_number`` and ``trial_state`` ("COMPLETE", "PRUNED" or "FAIL").
        Folds that a pruned candidate did not run are NaN, and so is its mean.
    best_estimator_, best_score_, best_params_, best_index_
        As in `RandomizedSearchCV`.
    scorer_, n_splits_, refit_time_, multimetric_
        As in `RandomizedSearchCV`.
    study_ : optuna.study.Study
        The study, copied to memory, so that it needs no database and can be pickled.
    classes_ : ndarray of shape (n_classes,)
        Class labels, if the estimator is a classifier that was refitted.
    n_features_in_ : int
        Number of features seen during `fit`, if the refitted estimator has it.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if the refitted estimator has them.

    See Also
    --------
    default_search_space : The space worth searching for a pipeline with a Keras head.
    sklearn.model_selection.RandomizedSearchCV : Random candidates, no pruning, no resuming.

    Notes
    -----
    A search in a `storage` is resumed by running it again; `n_trials`, `timeout`, `n_jobs`, `verbose` and the
    like may differ, and so may a transformer's `cache` and `batch_size`, but another estimator, space,
    scoring, split or data make another search. Processes on one or on many hosts join by running the same
    program on the same `storage`; each ends when it is full.

    References
    ----------
    .. [1] T. Akiba et al., "Optuna: A Next-generation Hyperparameter Optimization Framework", KDD 2019,
       https://arxiv.org/abs/1907.10902

    Examples
    --------
    >>> from scipy.stats import loguniform
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from fishsk import OptunaSearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> search = OptunaSearchCV(
    ...     LogisticRegression(max_iter=1000), {"C": loguniform(1e-3, 1e3)}, n_trials=5, random_state=0
    ... )
    >>> search.fit(X, y).best_score_ > 0.9
    np.True_
    >>> len(search.cv_results_["params"]), len(search.study_.trials)
    (5, 5)
    """

    _doc_link_module, _doc_link_template = link_documentation()

    _parameter_constraints: dict = BaseSearchCV._parameter_constraints | {
        "param_distributions": [dict, list, callable],
        "initial_params": [list, tuple, None],
        "n_trials": [Interval(Integral, 1, None, closed="left"), None],
        "timeout": [Interval(Real, 0, None, closed="neither"), None],
        "sampler": [HasMethods(["sample_independent", "sample_relative", "reseed_rng"]), None],
        "pruner": [HasMethods("prune"), None],
        "study_name": [str, None],
        "storage": [str, os.PathLike, HasMethods("create_new_trial"), None],
        "random_state": ["random_state"],
        "callbacks": ["array-like", None],
    }
    del _parameter_constraints["pre_dispatch"]

    def __init__(
        self,
        estimator: BaseEstimator,
        param_distributions: Mapping[str, object] | Sequence[Mapping[str, object]] | SpaceFunction,
        *,
        n_trials: int | None = 10,
        timeout: float | None = None,
        cv: Folds = None,
        scoring: str | Callable | Sequence[str] | Mapping[str, Callable] | None = None,
        refit: bool | str | Callable = True,
        n_jobs: int | None = None,
        sampler: optuna.samplers.BaseSampler | None = None,
        pruner: optuna.pruners.BasePruner | None = None,
        study_name: str | None = None,
        storage: str | os.PathLike | optuna.storages.BaseStorage | None = None,
        error_score: str | float = np.nan,
        return_train_score: bool = False,
        initial_params: Sequence[Mapping[str, object]] | None = None,
        random_state: RandomState = None,
        verbose: int = 0,
        callbacks: Sequence[Callable[[optuna.Study, optuna.trial.FrozenTrial], None]] | None = None,
    ) -> None:
        self.estimator = estimator
        self.param_distributions = param_distributions
        self.n_trials = n_trials
        self.timeout = timeout
        self.cv = cv
        self.scoring = scoring
        self.refit = refit
        self.n_jobs = n_jobs
        self.sampler = sampler
        self.pruner = pruner
        self.study_name = study_name
        self.storage = storage
        self.error_score = error_score
        self.return_train_score = return_train_score
        self.initial_params = initial_params
        self.random_state = random_state
        self.verbose = verbose
        self.callbacks = callbacks

    @fit_context(prefer_skip_nested_validation=False)  # the estimator is not validated yet
    def fit(self, X: object, y: ArrayLike | None = None, **params: object) -> Self:
        """Try candidates, and refit the best one on all of the data.

        Parameters
        ----------
        X : indexable of length n_samples
            Data, as the estimator takes them.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Target, for estimators that take one.
        **params : dict
            Parameters for the estimator's `fit`, the scorer and the splitter, such as `sample_weight` and
            `groups`, as in `RandomizedSearchCV`.

        Returns
        -------
        OptunaSearchCV
            The fitted search itself.

        Raises
        ------
        ValueError
            If the study would never end, minimizes, or if every fit failed.
        OSError
            If the storage cannot be opened, or is lost meanwhile. Finished trials are kept.

        Notes
        -----
        Interrupted by Ctrl-C, a search keeps `study_`, `cv_results_` and the best of the finished candidates,
        and refits none.
        """
        if self.n_trials is None and self.timeout is None:
            raise ValueError("n_trials or timeout must be set, or the search never ends. Got None for both.")
        scorers, refit_metric = self._get_scorers()
        X, y = indexable(X, y)
        params = check_method_params(X, params=params)
        routed = self._get_routed_params_for_fit(params)
        weight = params.get("sample_weight")
        task = {"X": X, "y": y, "metadata": None if weight is None else {"sample_weight": weight}}
        context = self._init_callback_context(max_subtasks=1 + (self.refit is not False))
        context.call_on_fit_task_begin(estimator=self, **task)

        cv = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        splits = list(cv.split(X, y, **routed.splitter.split))
        self.n_splits_ = len(splits)

        search_context = context.subcontext(
            task_name="search",
            max_subtasks=None if self.n_trials is None or self.storage else self.n_trials * self.n_splits_,
            sequential_subtasks=False,
        ).call_on_fit_task_begin(estimator=self)
        given = self.param_distributions
        objective = CrossValidation(
            estimator=clone(self.estimator),
            X=X,
            y=y,
            splits=splits,
            # What is wrong with it is said before anything is written.
            space=given if callable(given) else Space(given),
            metric=self.refit if isinstance(self.refit, str) else None,
            callback_ctx=search_context,
            options={
                "scorer": scorers,
                "fit_params": routed.estimator.fit,
                "score_params": routed.scorer.score,
                "error_score": self.error_score,
                "return_train_score": self.return_train_score,
                "caller": self,
            },
        )
        try:
            self._run_study(objective)
        except KeyboardInterrupt:
            for name in ("cv_results_", "best_index_", "best_score_", "best_params_", "best_estimator_"):
                self.__dict__.pop(name, None)
            with suppress(AttributeError, ValueError):  # where no candidate has finished, or all have failed
                self._choose(objective.space, scorers, refit_metric)
            raise
        search_context.call_on_fit_task_end(estimator=self)
        self._choose(objective.space, scorers, refit_metric)
        if self.refit:
            self._refit_best(X, y, routed.estimator.fit, context, task)
        context.call_on_fit_task_end(estimator=self, **task)
        return self

    def _run_study(self, objective: CrossValidation) -> None:
        """Run the trials in this process or in workers, and keep the study, even if this is interrupted."""
        from optuna.pruners import MedianPruner

        encode = objective.space.encode if isinstance(objective.space, Space) else dict
        initial = [encode(params) for params in self.initial_params or ()]
        seed = int(check_random_state(self.random_state).randint(2**31))
        sampler = SeededSampler(seed) if self.sampler is None else copy.deepcopy(self.sampler)
        # In 12 searches of 30 candidates x 5 folds (SVC, noisy digits) a MedianPruner saved 30 % of the fits
        # at the same best score. WilcoxonPruner, made for folds, wants more of them: 10 % saved at its
        # default level; at 0.3, 42 % saved and 0.2 points lost.
        pruner = MedianPruner() if self.pruner is None else copy.deepcopy(self.pruner)
        work = partial(
            run_trials,
            objective=objective,
            n_trials=self.n_trials,
            timeout=self.timeout,
            callbacks=list(self.callbacks or []),
        )
        n_workers = count_workers(self.n_jobs, self.n_trials, self.storage)
        with tempfile.TemporaryDirectory() as folder, quiet_optuna(self.verbose):
            location, digest = self.storage, "temporary"
            if location is not None:
                scored = self.scoring, objective.metric, self.error_score
                params = objective.options["fit_params"], objective.options["score_params"]
                data = objective.X, objective.y, objective.splits, *params
                digest = digest_search(objective.estimator, self.param_distributions, scored, data)
            elif n_workers > 1:
                location = os.path.join(folder, "study.db")
            with open_storage(location) as storage, lost_storage_is_an_os_error():
                study = open_study(storage, self.study_name, digest, sampler=sampler, pruner=pruner)
                if study.get_trials(deepcopy=False):
                    sampler.reseed_rng()
                else:
                    for values in initial:
                        study.enqueue_trial(values)
                try:
                    with show_progress(study, storage, self.n_trials, self.verbose):
                        if n_workers == 1:
                            work(study)
                        else:
                            Parallel(n_jobs=n_workers, prefer="processes")(
                                delayed(run_worker)(
                                    work, location, study.study_name, sampler, pruner, self.verbose
                                )
                                for _ in range(n_workers)
                            )
                finally:
                    self.study_ = copy_to_memory(study, storage)

    def _choose(self, space: Space | SpaceFunction, scorers: object, refit_metric: object) -> None:
        """Set `cv_results_` and the best candidate from what the study's trials hold."""
        from optuna.trial import FixedTrial

        trials = finished_trials(self.study_)
        if not trials:
            raise ValueError(
                f"A search must finish a trial. Got none with timeout={self.timeout!r}. "
                "Raise the timeout, or look whether a callback stopped the study."
            )
        ran = [dict(fold) for trial in trials for fold in folds_of(trial)]
        warn_or_raise_about_fit_failures(ran, self.error_score)
        self.multimetric_ = isinstance(ran[0]["test_scores"], dict)
        fitted = [fold for fold in ran if fold["fit_error"] is None]
        scores = [fold[name] for fold in fitted for name in ("test_scores", "train_scores") if name in fold]
        finite = all(np.isfinite(list(s.values()) if isinstance(s, dict) else s).all() for s in scores)
        numbers, states = [trial.number for trial in trials], [trial.state.name for trial in trials]
        with warnings.catch_warnings():
            # Folds that a pruned candidate did not run have no score, and nothing is wrong with that. What is
            # wrong with fits that have failed was said.
            if finite:
                warnings.filterwarnings("ignore", "One or more of the (test|train) scores are non-finite")
            results = self._format_results(
                [dict(space(FixedTrial(trial.params))) for trial in trials],
                self.n_splits_,
                fill_folds(trials, self.n_splits_, self.error_score, callable(self.scoring)),
                {"trial_number": numbers, "trial_state": states},
            )
        for name in ("fit_time", "score_time"):  # of the folds that were run
            times = [[fold[name] for fold in folds_of(trial)] for trial in trials]
            results[f"mean_{name}"] = np.array([np.mean(of_trial) for of_trial in times])
            results[f"std_{name}"] = np.array([np.std(of_trial) for of_trial in times])
        if callable(self.scoring) and self.multimetric_:
            self._check_refit_for_multimetric(
                {name[10:] for name in results if name.startswith("mean_test_")}
            )
            refit_metric = self.refit
        self.scorer_ = find_scorers(scorers)
        self.cv_results_ = results
        if not self.refit and self.multimetric_:
            return
        scores = results.get(f"mean_test_{refit_metric}")
        n_pruned = states.count("PRUNED")
        if n_pruned and not callable(self.refit) and not np.isfinite(scores).any():
            warnings.warn(
                f"No candidate ran all folds: {n_pruned} were pruned. The best is chosen by the folds that "
                "each ran, and best_score_ is their mean. Pass pruner=optuna.pruners.NopPruner() to run all "
                "folds.",
                UserWarning,
                stacklevel=3,
            )
            splits = [results[f"split{split}_test_{refit_metric}"] for split in range(self.n_splits_)]
            scores = np.nanmean(splits, axis=0)
            self.best_index_ = int(np.nanargmax(scores))
        else:
            self.best_index_ = self._select_best_index(self.refit, refit_metric, results)
        if not callable(self.refit):
            self.best_score_ = scores[self.best_index_]
        self.best_params_ = results["params"][self.best_index_]

    def _refit_best(
        self, X: object, y: object, fit_params: dict[str, Any], context: Any, task: dict[str, Any]
    ) -> None:
        self.best_estimator_ = clone(self.estimator).set_params(**clone(self.best_params_, safe=False))
        refit_context = context.subcontext(task_name="refit-with-best-params")
        with refit_context.propagate_callback_context(self.best_estimator_):
            refit_context.call_on_fit_task_begin(estimator=self, **task)
            start = time.time()
            self.best_estimator_.fit(X, *([] if y is None else [y]), **fit_params)
            self.refit_time_ = time.time() - start
        if hasattr(self.best_estimator_, "feature_names_in_"):
            self.feature_names_in_ = self.best_estimator_.feature_names_in_
        refit_context.call_on_fit_task_end(estimator=self, **task)
