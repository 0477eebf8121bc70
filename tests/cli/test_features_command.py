"""Features as Parquet: what is written, who reads it, and runs that were cut."""

import json
import socket

import numpy as np
import pytest
from PIL import Image

from fishsk import make_fish_pipeline
from fishsk.cli import main
from fishsk.cli.commands import features as command
from fishsk.datasets import make_fish_images

parquet = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow: pip install 'fishsk[parquet]'")


@pytest.fixture
def run(photos, tmp_path, capsys):
    """Return a function that writes the features of the photos and returns what it says and the table."""

    def run(*options, code=0):
        target = tmp_path / "features.parquet"
        asked = ["features", str(photos), "--weights", "cifar95", "--output", str(target), "--json", *options]
        assert main(asked) == code
        captured = capsys.readouterr()
        return (json.loads(captured.out), parquet.read_table(target)) if not code else captured.err

    return run


@pytest.fixture
def unused_port():
    """Return a port of this machine on which nothing listens."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def test_rows_are_those_of_the_transformer_beside_paths_and_labels(run):
    found, table = run("--labels")
    assert table.column_names == ["path", "label", "features"]
    assert found["n_rows"] == table.num_rows == 60
    paths = table["path"].to_pylist()
    rows = np.stack(table["features"].to_numpy())
    expected = make_fish_pipeline(weights="cifar95")["features"].transform(paths)
    np.testing.assert_array_equal(rows, expected)
    assert all(f"/{label}/" in path for path, label in zip(paths, table["label"].to_pylist(), strict=True))
    assert "cifar95" in table.schema.metadata[b"fishsk"].decode()


def test_pandas_polars_and_duckdb_read_it(run, tmp_path):
    run()
    target = str(tmp_path / "features.parquet")
    shape = (60, make_fish_pipeline(weights="cifar95")["features"].n_features_out)
    assert np.stack(pytest.importorskip("pandas").read_parquet(target)["features"]).shape == shape
    assert pytest.importorskip("polars").read_parquet(target)["features"].to_numpy().shape == shape
    duckdb = pytest.importorskip("duckdb")
    ((length,),) = duckdb.sql(f"SELECT DISTINCT len(features) FROM '{target}'").fetchall()
    assert length == shape[1]


def test_a_run_that_was_cut_goes_on(run, monkeypatch, tmp_path):
    monkeypatch.setattr(command, "_N_PART", 20)
    asked, extract = [], command.extract

    def fail_at_third(paths, step):
        asked.append(paths)
        if len(asked) == 3:
            raise OSError("cut")
        return extract(paths, step)

    monkeypatch.setattr(command, "extract", fail_at_third)
    assert "cut" in run(code=1)
    assert not (tmp_path / "features.parquet").exists()
    found, table = run()
    assert found["n_known"] == 40
    assert len(asked) == 4
    assert asked[3] == asked[2]
    assert table.num_rows == 60
    assert len(set(table["path"].to_pylist())) == 60
    assert not (tmp_path / "features.parquet.parts").exists()


def test_broken_files_end_it_with_their_names_or_are_left_out(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "_N_PART", 1)  # the first part has no rows
    folder = tmp_path / "some"
    folder.mkdir()
    for index, image in enumerate(make_fish_images(3, random_state=0)[0]):
        Image.fromarray(image).save(folder / f"fish{index}.png")
    (folder / "broken.png").write_bytes(b"no image")
    asked = ["features", str(folder), "--weights", "cifar95", "--output", str(tmp_path / "f.parquet")]
    assert main(asked) == 1
    assert "broken.png" in capsys.readouterr().err
    assert main([*asked, "--skip-bad"]) == 0
    assert parquet.read_table(tmp_path / "f.parquet").num_rows == 3


def test_what_is_missing_is_told_before_the_work(run, monkeypatch):
    monkeypatch.setattr("fishsk.cli._targets.find_spec", lambda name: None)
    assert 'pip install "fishsk[parquet]"' in run(code=1)
    monkeypatch.undo()
    assert "--workers must be at least 1" in run("--workers", "0", code=1)


def test_a_cluster_that_cannot_work_says_why(run, monkeypatch, unused_port):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr("fishsk.cli._cluster._PATIENCE", 1)
    address = f"tcp://127.0.0.1:{unused_port}"
    assert f"{address} after 1 s" in run("--scheduler", address, code=1)
    with distributed.LocalCluster(n_workers=0, dashboard_address=None) as cluster:
        assert "0/1 workers arrived" in run("--scheduler", cluster.scheduler_address, code=1)


@pytest.mark.slow
def test_five_thousand_images_on_a_cluster_are_those_of_one_process(tmp_path):
    pytest.importorskip("distributed")
    folder = tmp_path / "many"
    folder.mkdir()
    for index, image in enumerate(make_fish_images(5000, random_state=0)[0]):
        Image.fromarray(image[:16, :16]).save(folder / f"{index:04}.png", compress_level=0)
    tables = []
    for number, options in enumerate((["--workers", "2"], [])):
        target = tmp_path / f"{number}.parquet"
        asked = ["features", str(folder), "--weights", "cifar95", "--output", str(target), *options]
        assert main(asked) == 0
        tables.append(parquet.read_table(target))
    assert tables[0].num_rows == 5000
    assert tables[0].equals(tables[1])
