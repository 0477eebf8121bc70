"""OptunaSearchCV with 30 trials on the fish training images, against as many plain cross-validations.

One `cross_val_score` of the default recipe is timed a few times between the searches, and multiplied by the
number of trials. Both sides find the features of all images stored. The test images are not read.
"""

from functools import partial
from tempfile import TemporaryDirectory

import numpy as np
from _common import Benchmark, load_fish, timed
from sklearn.model_selection import StratifiedKFold, cross_val_score

from fishsk import OptunaSearchCV, default_search_space, make_fish_pipeline


def main():
    """Compare searches of several seeds with the same number of plain cross-validations."""
    bench = Benchmark(__file__, __doc__, repeats=3)
    n_trials, n_images = (3, 100) if bench.quick else (30, None)
    X, y, source = load_fish(n_images, subset="train")
    cv = StratifiedKFold(5, shuffle=True, random_state=0)
    rows = []
    with TemporaryDirectory() as folder:
        pipeline = make_fish_pipeline(weights="cifar95", random_state=0, features__cache=folder)
        pipeline["features"].transform(X)
        cross_validate = partial(cross_val_score, pipeline, X, y, cv=cv)
        cross_validate()  # builds the network that later fits reuse
        for seed in range(bench.repeats):
            plain, seconds = timed(cross_validate)
            search = OptunaSearchCV(
                pipeline,
                default_search_space(pipeline),
                n_trials=n_trials,
                cv=cv,
                refit=False,
                random_state=seed,
            )
            _, searching = timed(search.fit, X, y)
            n_fits = sum(np.isfinite(search.cv_results_[f"split{k}_test_score"]).sum() for k in range(5))
            bench.note(f"Best of seed {seed}: {search.best_params_}")
            rows.append(
                {
                    "seed": seed,
                    "default_recipe": plain.mean(),
                    "best_of_search": search.best_score_,
                    "seconds_of_search": searching,
                    "seconds_of_as_many_cross_validations": n_trials * seconds,
                    "ratio": searching / (n_trials * seconds),
                    "fits": int(n_fits),
                }
            )
    bench.table(f"5-fold accuracy on {len(X)} of {source}, {n_trials} trials", rows)
    bench.note(
        "The best of many candidates is a little flattered by the folds that chose it; both columns are of "
        "the same folds."
    )
    bench.note(
        "The recipe's head is linear. A candidate with hidden units or more epochs takes longer than a "
        "cross-validation of the recipe, even where pruning ends it early."
    )
    bench.write()


if __name__ == "__main__":
    main()
