"""
A learning-rate schedule, found by search
=========================================

By itself the head halves its learning rate on plateaus of its validation loss. Any schedule of Keras may
take its place, and its arguments are parameters that ``OptunaSearchCV`` can choose.
"""

# %%
# A schedule as a parameter
# -------------------------
# A parameter ``optimizer__...`` is an argument of the optimizer, and one spelled
# ``optimizer__learning_rate__...`` an argument of its schedule. A schedule steers alone: all rows may train.

import keras
import matplotlib.pyplot as plt
import numpy as np
from optuna.distributions import FloatDistribution, IntDistribution

from fishsk import KerasHeadClassifier, OptunaSearchCV, make_fish_pipeline
from fishsk.datasets import make_fish_images

X, y = make_fish_images(300, random_state=7)
head = KerasHeadClassifier(hidden_units=64, epochs=10, validation_fraction=0, random_state=0)
pipeline = make_fish_pipeline(head=head, weights="cifar95", features__views=None)
pipeline.set_params(
    head__optimizer__learning_rate=keras.optimizers.schedules.CosineDecay,
    head__optimizer__learning_rate__initial_learning_rate=1e-3,
    head__optimizer__learning_rate__decay_steps=70,
)

# %%
# The search
# ----------

space = {
    "head__optimizer__learning_rate__initial_learning_rate": FloatDistribution(1e-4, 1e-1, log=True),
    "head__optimizer__learning_rate__decay_steps": IntDistribution(20, 140),
}
search = OptunaSearchCV(pipeline, space, n_trials=8, cv=3, random_state=0).fit(X, y)
print(f"{search.best_score_:.3f}", search.best_params_)

# %%
# What was found
# --------------

head = search.best_estimator_["head"]
schedule = head.model_.optimizer.get_config()["learning_rate"]["config"]
steps = np.arange(80)
curve = keras.optimizers.schedules.CosineDecay(schedule["initial_learning_rate"], schedule["decay_steps"])
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
left.plot(steps, [float(curve(step)) for step in steps])
left.set(xlabel="step of training", ylabel="learning rate", title="The schedule of the best trial")
rates = search.cv_results_["param_head__optimizer__learning_rate__initial_learning_rate"]
right.semilogx(rates.astype(float), search.cv_results_["mean_test_score"], "o")
right.set(xlabel="initial learning rate", ylabel="accuracy", title="All trials")

# %%
# **Conclusion.** A schedule is one more part with parameters, down to the last argument. Eight trials show
# its order of magnitude; the shape matters less.
