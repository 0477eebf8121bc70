"""How often commands read and decode a photograph."""

import numpy as np
import pytest
from PIL import Image

from fishsk.cli import main


@pytest.fixture
def new(tmp_path):
    """Return a folder of images that no command has seen."""
    folder = tmp_path / "new"
    folder.mkdir()
    for index in range(12):
        noise = np.random.default_rng(index).integers(256, size=(40, 40, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{index}.png")
    return folder


def test_predict_reads_a_file_once_and_decodes_none_that_is_known(model, new, tmp_path, counts):
    command = ["predict", str(model), str(new), "--output", str(tmp_path / "answers.csv")]
    paths = [str(path) for path in new.iterdir()]
    assert main(command) == 0
    assert counts == (dict.fromkeys(paths, 1), dict.fromkeys(paths, 1))
    for counter in counts:
        counter.clear()
    answers = (tmp_path / "answers.csv").read_bytes()
    (tmp_path / "answers.csv").unlink()
    assert main(command) == 0
    assert counts == (dict.fromkeys(paths, 1), {})
    assert (tmp_path / "answers.csv").read_bytes() == answers


def test_what_predict_compares_with_is_read_once_too(model, photos, new, tmp_path, counts):
    command = ["predict", str(model), str(new), "--train", str(photos)]
    assert main([*command, "--output", str(tmp_path / "answers.csv")]) == 0
    reads, _ = counts
    assert set(reads.values()) == {1}
    assert len(reads) == 72
