"""
Saving, loading, exporting
==========================

A fitted pipeline goes to a file that holds data and no code, comes back with the same bits, and leaves as
one model for a phone, which needs neither fishsk nor scikit-learn.
"""

# %%
# A fitted pipeline
# -----------------

import tempfile
import zipfile
from pathlib import Path

from fishsk import export_model, load_pipeline, make_fish_pipeline, save_pipeline
from fishsk.datasets import make_fish_images

X, y = make_fish_images(500, random_state=29)
pipeline = make_fish_pipeline(weights="cifar95", random_state=0).fit(X[:400], y[:400])

# %%
# Save and load
# -------------
# The file is a zip of JSON and of arrays. Nothing in it is executed when it is loaded, unlike a pickle.

folder = tempfile.TemporaryDirectory()
path = Path(folder.name, "fish.fishsk")
save_pipeline(pipeline, path)
for member in zipfile.ZipFile(path).infolist():
    print(f"{member.filename:20} {member.file_size:>9,} bytes")

loaded = load_pipeline(path)
same = (loaded.predict_proba(X[400:]) == pipeline.predict_proba(X[400:])).all()
print("the same bits:", same)

# %%
# Export
# ------
# Images of any size go in, probabilities come out: preprocessing, backbone, scaling and head in one file,
# here for LiteRT, which runs on phones. The suffix names the runtime (:doc:`/how_to/export`).

from ai_edge_litert.interpreter import Interpreter

exported = Path(folder.name, "fish.tflite")
export_model(pipeline, exported)
interpreter = Interpreter(str(exported))
proba = interpreter.get_signature_runner()(images=X[400:])["probabilities"]

# %%

import matplotlib.pyplot as plt
import numpy as np

expected = pipeline.predict_proba(X[400:])
difference = np.abs(proba - expected)
print(f"{exported.stat().st_size / 1e6:.1f} MB, largest difference: {difference.max():.1e}")

figure, ax = plt.subplots(figsize=(5, 4.6), layout="constrained")
ax.plot([0, 1], [0, 1], color="0.7", linewidth=1)
ax.plot(expected.ravel(), proba.ravel(), ".", ms=4)
ax.set(xlabel="probability, pipeline", ylabel="probability, exported LiteRT model", aspect="equal")
ax.set_title(f"{proba.size} probabilities, largest difference {difference.max():.1e}", fontsize=10)

# %%
# **Conclusion.** Three files for three purposes: ``save_pipeline`` to keep and to pass on,
# ``export_model`` to deploy, and joblib or pickle for what you alone write and read.

folder.cleanup()
