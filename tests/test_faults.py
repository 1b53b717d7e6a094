"""The faults of `tests.torture` in their short form.

Each runs in a Python of its own: the children are forked, and a process in which Chroma has
already started its threads must not fork.
"""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from askpapers import doctor
from askpapers.errors import StorageFailed

pytestmark = pytest.mark.real

_RUN = """
import json, sys
sys.path.insert(0, sys.argv[1])
import chromadb, torture
name, arguments, options = json.loads(sys.argv[2])
outcome = getattr(torture, name)(*arguments, **options)
print(json.dumps([outcome.tried, outcome.broken]))
"""


def torment(name, *arguments, **options):
    """Run one fault of tests/torture.py; returns (times tried, what was not kept)."""
    call = json.dumps([name, arguments, options])
    command = [sys.executable, "-c", _RUN, str(Path(__file__).parent), call]
    result = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    tried, broken = json.loads(result.stdout.splitlines()[-1])
    return tried, broken


@pytest.mark.parametrize("adding", [False, True])
def test_killed_writers_leave_the_old_index_or_the_new_one(adding):
    assert torment("kill_writers", 3, adding=adding) == (3, [])


@pytest.mark.parametrize("how", ["with a bit flipped", "cut short", "removed"])
def test_damaged_files_are_found_or_harmless(how):
    tried, broken = torment("damage_files", 1, how=how)
    assert broken == []
    assert tried >= 10


@pytest.mark.parametrize("adding", [False, True])
def test_bits_that_no_sum_covers_are_harmless(adding):
    tried, broken = torment("flip_bits", 5, adding=adding)
    assert broken == []
    assert tried >= 60


def test_flipped_bits_of_an_index_that_was_added_to_are_found_or_harmless():
    tried, broken = torment("damage_files", 1, how="with a bit flipped", adding=True, seed=1)
    assert broken == []
    assert tried >= 10


def test_a_full_disk_keeps_the_old_index():
    _, broken = torment("fill_disks", 2)
    assert broken == []


def test_a_read_only_home_answers_and_refuses_changes():
    tried, broken = torment("read_only_homes", 1)
    if tried == 0:
        pytest.skip("this user can neither mount nor become another")
    assert broken == []
    assert tried >= 6


def test_the_doctor_tells_a_read_only_home_from_one_that_is_not_there(tmp_path, monkeypatch):
    app = SimpleNamespace(home=tmp_path)
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(StorageFailed, match="cannot be written"):
        list(doctor._check_home(app))
    (tmp_path / "current.json").touch()
    (check,) = doctor._check_home(app)
    assert (check.state, check.exit_code) == ("note", 0)
    assert "ASKPAPERS_HOME" in check.mend


def test_two_builds_at_once():
    tried, broken = torment("race_writers", 2)
    assert broken == []
    assert tried >= 2


def test_readers_are_not_disturbed_by_builds():
    tried, broken = torment("read_while_writing", 2, readers=8)
    assert broken == []
    assert tried >= 8


def test_a_model_that_is_cut_short_is_refused():
    assert torment("cut_models", 2) == (2, [])


def test_a_home_of_another_format_is_refused_and_made_again():
    assert torment("change_formats", 1) == (1, [])


def test_clocks_do_not_matter():
    tried, broken = torment("jump_clocks", 3)
    assert broken == []
    assert tried >= 3
