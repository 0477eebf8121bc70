"""Notes beside the rows: what is not as it was written counts as not there."""

import os
import stat

import numpy as np
import pytest

from fishsk.store import FeatureStore, clear_cache, read_note, write_note

SUBJECT = {"application": "MobileNetV3Small", "image_size": [32, 32]}
FACTS = {"shapes": [["conv", [16, 16, 16]]]}


def find_note(folder):
    (path,) = (folder / "notes").iterdir()
    return path


def test_what_was_written_is_read(tmp_path):
    write_note(tmp_path / "cache", SUBJECT, FACTS)
    assert read_note(tmp_path / "cache", SUBJECT) == FACTS
    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o700


def test_nothing_is_known_of_another_subject(tmp_path):
    write_note(tmp_path, SUBJECT, FACTS)
    assert read_note(tmp_path, SUBJECT | {"image_size": None}) is None


@pytest.mark.parametrize(
    "change", [lambda content: content[:-20], lambda content: content.replace(b"16", b"17")]
)
def test_faults_04_05_a_corrupt_note_is_none(tmp_path, change):
    write_note(tmp_path, SUBJECT, FACTS)
    path = find_note(tmp_path)
    path.write_bytes(change(path.read_bytes()))
    assert read_note(tmp_path, SUBJECT) is None


def test_a_note_under_the_name_of_another_is_none(tmp_path):
    other = SUBJECT | {"image_size": None}
    write_note(tmp_path, other, FACTS)
    path = find_note(tmp_path)
    write_note(tmp_path / "second", SUBJECT, FACTS)
    os.replace(path, find_note(tmp_path / "second"))
    assert read_note(tmp_path / "second", SUBJECT) is None


def test_fault_10_notes_of_another_user_are_refused(tmp_path, monkeypatch):
    write_note(tmp_path, SUBJECT, FACTS)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(PermissionError, match="must belong to user 12345"):
        read_note(tmp_path, SUBJECT)


def test_a_folder_that_cannot_be_written_keeps_no_note(tmp_path):
    (tmp_path / "notes").write_text("a file in the way")
    write_note(tmp_path, SUBJECT, FACTS)
    assert (tmp_path / "notes").read_text() == "a file in the way"


def test_clearing_the_cache_removes_notes_and_rows(tmp_path):
    write_note(tmp_path, SUBJECT, FACTS)
    n_bytes = find_note(tmp_path).stat().st_size
    FeatureStore(tmp_path, {}, 1).write([b"k" * 32], np.zeros((1, 1), np.float32))
    assert clear_cache(tmp_path) > n_bytes
    assert not list(tmp_path.iterdir())
