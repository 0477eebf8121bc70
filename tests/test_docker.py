"""The Dockerfile of the service, run as a script: the same commands, without Docker."""

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import tomllib
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from PIL import Image

from fishsk import make_fish_pipeline, save_pipeline
from fishsk.datasets import make_fish_images
from fishsk.features import BACKBONES

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "packaging" / "docker"
TOKEN = "a-token-of-enough-letters"
NOBODY = 65534


def read_dockerfile():
    """Return the instructions and what they say."""
    text = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
    lines = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    return [tuple(line.strip().split(None, 1)) for line in lines if line.strip()]


def find_all(instruction):
    return [said for name, said in read_dockerfile() if name == instruction]


def test_nobody_is_root_and_what_is_copied_is_what_the_build_needs():
    names = [name for name, _ in read_dockerfile()]
    assert names.index("USER") < names.index("ENTRYPOINT")
    assert find_all("USER") == ["fishsk"]
    ignored = (FOLDER / "Dockerfile.dockerignore").read_text(encoding="utf-8").split()
    kept = [line.removeprefix("!") for line in ignored if line.startswith("!")]
    assert ignored[0] == "*"
    assert all((ROOT / each).exists() for each in kept)
    project = tomllib.loads((ROOT / "packaging/predict/pyproject.toml").read_text(encoding="utf-8"))
    sources = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert {Path(each.removeprefix("../../")).parts[0] for each in sources} < set(kept)


def test_the_compose_file_runs_read_only_and_needs_a_token():
    text = (FOLDER / "compose.yaml").read_text(encoding="utf-8")
    for line in (
        "read_only: true",
        "- /tmp",
        "cap_drop: [ALL]",
        "FISHSK_TOKEN: ${FISHSK_TOKEN:?",
        ":/models:ro",
    ):
        assert line in text
    assert (FOLDER / "../../packaging/docker/Dockerfile").exists()


def as_nobody(*command):
    """Return a command that runs as a user who is not root."""
    if os.geteuid():
        return command
    return "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs", *command


def find_python():
    """Return an interpreter that somebody who is not root can use, or None."""
    program = (  # setpriv can begin what its user cannot
        "import ensurepip, os, sys, venv; assert os.access(sys.executable, os.X_OK); "
        "assert sys.version_info >= (3, 11)"
    )
    for python in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        with contextlib.suppress(OSError):
            done = subprocess.run(
                as_nobody(python, "-c", program), capture_output=True, text=True, check=False
            )
            if not done.returncode:
                return python
    return None


@pytest.fixture(scope="module")
def image():
    """Return the folder of what stands for the image, after its RUN lines were run, and its environment."""
    python = find_python() if os.name == "posix" else None
    if python is None:
        pytest.skip("needs a Python that a user who is not root can run, with venv")
    folder = Path(tempfile.mkdtemp())  # one that others may enter, as pytest's own are not
    folder.chmod(0o755)
    try:
        for name in (FOLDER / "Dockerfile.dockerignore").read_text(encoding="utf-8").split():
            if name.startswith("!"):
                source, target = ROOT / name[1:], folder / "source" / name[1:]
                target.parent.mkdir(parents=True, exist_ok=True)
                (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
        (folder / "bin").mkdir()
        (folder / "bin" / "python").symlink_to(python)
        path = os.pathsep.join([str(folder / "bin"), "/usr/bin", "/bin"])
        for line in find_all("RUN"):
            if not line.startswith("useradd "):  # as_nobody stands for it
                moved = line.replace("/opt/", f"{folder}/opt/").replace("/source", f"{folder}/source")
                subprocess.run(["sh", "-ec", moved], check=True, env=os.environ | {"PATH": path})
        assert not (folder / "source").exists()
        (folder / "tmp").mkdir()
        (folder / "tmp").chmod(0o777)
        (given,) = find_all("ENV")
        moved = given.replace("=/tmp/", f"={folder}/tmp/").replace("=/opt/", f"={folder}/opt/")
        moved = moved.replace("$PATH", path)
        environment = dict(each.split("=", 1) for each in shlex.split(moved))
        yield folder, environment | {"TMPDIR": str(folder / "tmp"), "HOME": "/nonexistent"}
    finally:
        shutil.rmtree(folder)


def send(address, content, token=TOKEN):
    headers = {"Authorization": f"Bearer {token}"}
    with urllib.request.urlopen(urllib.request.Request(address, content, headers), timeout=60) as response:
        return json.load(response)


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.timeout(1800)
def test_the_image_answers_as_nobody_with_nothing_writable_but_tmp(image, tmp_path):
    folder, environment = image
    X, y = make_fish_images(60, random_state=0)
    pipeline = make_fish_pipeline(backbone=BACKBONES, random_state=0, head__epochs=5).fit(X, y)
    models = folder / "models"
    models.mkdir()
    save_pipeline(pipeline, models / "model.fishsk")
    (models / "model.fishsk").chmod(0o444)
    models.chmod(0o555)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    (entry,), (command,), (check,) = (
        [json.loads(said[said.index("[") :]) for said in find_all(name)]
        for name in ("ENTRYPOINT", "CMD", "HEALTHCHECK")
    )
    entry = [str(port) if each == "8000" else each for each in entry]
    program = [str(folder / "opt/fishsk/bin" / entry[0]), *entry[1:], *command]
    assert entry[entry.index("--host") + 1] == "0.0.0.0"
    check = ["python", "-W", "error", *check[1:-1], check[-1].replace(":8000", f":{port}")]

    refused = subprocess.run(
        as_nobody(*program), cwd=models, env=environment, capture_output=True, check=False
    )
    assert refused.returncode == 1
    assert b"FISHSK_TOKEN" in refused.stderr

    environment |= {"FISHSK_TOKEN": TOKEN}
    command = as_nobody(*program, "--workers", "2")
    with subprocess.Popen(command, cwd=models, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert next(line for line in process.stdout if line.startswith("Page:"))
            healthy = subprocess.run(as_nobody(*check), env=environment, check=False, timeout=60)
            assert healthy.returncode == 0
            Image.fromarray(X[0]).save(tmp_path / "a.png")
            content = (tmp_path / "a.png").read_bytes()
            (found,) = send(f"http://127.0.0.1:{port}/predict", content)["images"]
            assert found["class"] == str(pipeline.predict(X[:1])[0])
            probabilities = pipeline.predict_proba([str(tmp_path / "a.png")])[0]
            assert [*found["probabilities"].values()] == pytest.approx(probabilities.tolist(), abs=1e-5)
            with pytest.raises(urllib.error.HTTPError, match="401"):
                send(f"http://127.0.0.1:{port}/predict", content, token="another")
        finally:
            process.send_signal(signal.SIGTERM)
    assert process.returncode == 0
    assert [path.name for path in models.iterdir()] == ["model.fishsk"]
