"""What spoils a data set is found, and nothing in a sound one."""

import numpy as np
import pytest
from PIL import Image
from quick import make_quick_pipeline
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

from fishsk import find_data_issues
from fishsk.datasets import make_fish_images
from fishsk.features import check_images
from fishsk.inspection._image_facts import measure_images


@pytest.fixture(scope="module")
def drawn():
    return make_fish_images(200, random_state=0)


@pytest.fixture
def fish(drawn):
    """Return 150 images to train on and 50 to test, which a test may spoil."""
    X, y = drawn[0].copy(), drawn[1].copy()
    return X[:150], y[:150], X[150:], y[150:]


def find(X, y, **options):
    """Return the rows that were found, by kind."""
    return {
        issue.kind: [found.rows for found in issue.found]
        for issue in find_data_issues(X, y, **options).issues
    }


def flatten(X):
    return np.reshape(X, (len(X), -1)) / 255


def test_nothing_is_found_in_a_sound_set(fish):
    X, y, X_test, y_test = fish
    data = find_data_issues(X, y, X_test=X_test, y_test=y_test, pipeline=make_quick_pipeline(), cv=None)
    assert data.issues == ()
    assert data.level is None


def test_the_same_pixels_are_a_conflict_a_duplicate_or_a_leak(fish):
    X, y, X_test, y_test = fish
    X[20], y[20] = X[10], (y[10] + 1) % 5
    X[31], y[31] = X[30], y[30]
    X_test[2] = X[40]
    found = find(X, y, X_test=X_test, y_test=y_test)
    assert found == {"conflict": [(10, 20)], "duplicate": [(30, 31)], "leak": [(40, 152)]}


def test_copies_that_differ_in_their_pixels_are_found_by_features(fish):
    X, y, X_test, y_test = fish
    X[20], y[20] = X[10][:, ::-1], (y[10] + 1) % 5
    X_test[3] = np.clip(X[40] * 1.1 + 5, 0, 255)
    found = find(
        X, y, X_test=X_test, y_test=y_test, pipeline=make_quick_pipeline(features__views="mirror"), cv=None
    )
    assert found == {"conflict": [(10, 20)], "leak": [(40, 153)]}


def test_three_copies_are_one_group(fish):
    X, y, *_ = fish
    X[[8, 9]], y[[8, 9]] = X[7], y[7]
    assert find(X, y) == {"duplicate": [(7, 8, 9)]}


def test_images_that_look_odd_are_found(fish, rng):
    images, y = list(fish[0]), fish[1]
    images[0] = np.full((32, 32, 3), 128, dtype=np.uint8)
    images[1] = images[1] // 12
    images[2] = 240 + images[2] // 17
    images[3] = np.repeat(np.repeat(images[3], 8, axis=0), 8, axis=1)
    images[4] = np.repeat(images[4], 3, axis=0)
    noise = np.asarray(Image.fromarray(images[5]).resize((3, 3)).resize((32, 32), Image.Resampling.BICUBIC))
    images[5] = noise
    found = find(images, y)
    assert found["plain"][0] == (0,)
    assert (1,) in found["dark"]
    assert (2,) in found["bright"]
    assert found["size"] == [(3,)]
    assert found["aspect"] == [(4,)]
    assert (5,) in found["blurred"]


def test_files_that_cannot_be_read_are_found_and_the_others_are_judged(fish, tmp_path):
    X, y, *_ = fish
    paths = [str(tmp_path / f"{index}.png") for index in range(150)]
    for path, image in zip(paths, X, strict=True):
        Image.fromarray(image).save(path)
    (tmp_path / "3.png").write_bytes(b"")
    (tmp_path / "4.png").write_bytes((tmp_path / "5.png").read_bytes()[:200])
    data = find_data_issues(paths, y, pipeline=make_quick_pipeline(head__epochs=1), cv=2)
    (issue,) = (each for each in data.issues if each.kind == "unreadable")
    assert [found.rows for found in issue.found] == [(3,), (4,)]
    assert "is empty" in issue.found[0].detail
    assert data.names[3] == paths[3]


def test_a_file_turned_by_its_tag_is_a_note(fish, tmp_path):
    image = Image.fromarray(fish[0][0])
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif)
    image.save(tmp_path / "upright.jpg")
    data = find_data_issues([tmp_path / "turned.jpg", tmp_path / "upright.jpg"], [0, 1], min_images=0)
    assert [(issue.level, issue.found[0].rows) for issue in data.issues if issue.kind == "rotated"] == [
        ("note", (0,))
    ]


def test_wrong_labels_are_found_by_any_classifier(fish, rng):
    X, y = rng.integers(0, 100, size=(300, 4, 4, 3), dtype=np.uint8), np.arange(300) % 3
    X[np.arange(300), y] += 150
    y[[5, 70]] = (y[[5, 70]] + 1) % 3
    pipeline = make_pipeline(FunctionTransformer(flatten), StandardScaler(), SVC())
    assert {(5,), (70,)} <= set(find(X, y, pipeline=pipeline)["label"])


def test_small_uneven_and_missing_classes_are_found(fish):
    X, y, X_test, y_test = fish
    kept = np.flatnonzero((y != 2) | (np.cumsum(y == 2) <= 4))
    y_test[0] = 9
    data = find_data_issues(X[kept], y[kept], X_test=X_test, y_test=y_test, classes=[0, 1, 2, 3, 4, 5])
    found = {issue.kind: [each.detail for each in issue.found] for issue in data.issues}
    assert found["few"] == ["5: 0", "2: 4"]
    assert found["imbalance"][0].endswith("5: 0")
    assert found["unknown_class"] == ["9"]


def test_errors_come_first_and_name_the_level(fish):
    X, y, *_ = fish
    X[7], (X[20], y[20]) = 3, (X[10], (y[10] + 1) % 5)
    data = find_data_issues(X, y)
    assert [issue.level for issue in data.issues] == ["error", "warning", "warning"]
    assert data.level == "error"


def test_reading_is_shown_where_it_is_asked_for(fish, capsys):
    X, y, X_test, y_test = fish
    find_data_issues(X, y, X_test=X_test, y_test=y_test)
    assert capsys.readouterr().err == ""
    find_data_issues(X, y, X_test=X_test, y_test=y_test, verbose=1)
    assert "200 of 200 images" in capsys.readouterr().err


def test_sharpness_does_not_depend_on_contrast_or_size(fish):
    image = fish[0][0].astype(np.float32)
    large = np.asarray(Image.fromarray(fish[0][0]).resize((600, 600)))
    facts = measure_images(check_images([image, 100 + image / 4, large]))
    assert facts.sharpness[1] == pytest.approx(facts.sharpness[0], rel=0.1)
    assert facts.sharpness[2] < facts.sharpness[0] / 4  # enlarged: nothing was gained
    assert facts.width.tolist() == [32, 32, 600]


def test_images_and_labels_must_belong_together(fish):
    X, y, X_test, _ = fish
    with pytest.raises(ValueError, match="inconsistent"):
        find_data_issues(X, y[:5])
    with pytest.raises(ValueError, match="one label or one number for each image"):
        find_data_issues(X, y, X_test=X_test)
