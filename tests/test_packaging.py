"""The wheel holds what the program needs, no more, and works from any folder."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LARGEST_WHEEL_BYTES = 150_000_000


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    subprocess.run(
        [*command, "--directory", str(folder)], cwd=ROOT, check=True, capture_output=True
    )
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_carries_the_data(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for wanted in (
        "askpapers/app.py",
        "askpapers/_data/prompts/answer.md",
        "askpapers/_data/models/smollm2-135m.toml",
        "askpapers/_data/models/reader.safetensors",
        "askpapers/_data/models/questions.safetensors",
        "askpapers/_data/evals/smoke/cases.jsonl",
    ):
        assert wanted in names
    assert sum(name.startswith("askpapers/_data/seeds/") for name in names) == 4
    assert wheel.stat().st_size < LARGEST_WHEEL_BYTES


def test_the_wheel_carries_no_model_that_was_fetched(wheel):
    ggufs = [n for n in zipfile.ZipFile(wheel).namelist() if n.endswith(".gguf")]
    assert all("adapter" in name for name in ggufs)


@pytest.mark.real
def test_the_installed_wheel_is_well(wheel, tmp_path):
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--target", str(site), str(wheel)], check=True)
    environment = {**os.environ, "PYTHONPATH": str(site), "ASKPAPERS_HOME": str(tmp_path / "home")}
    where = [sys.executable, "-c", "import askpapers; print(askpapers.__file__)"]
    run = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True}
    assert subprocess.run(where, **run, check=True).stdout.startswith(str(site))
    result = subprocess.run([sys.executable, "-m", "askpapers", "doctor", "--json"], **run)
    checks = json.loads(result.stdout)
    assert [c for c in checks if c["state"] == "fail"] == [], result.stderr
    assert result.returncode == 0
