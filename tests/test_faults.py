"""The faults of `tests.torture` in their short form."""

import pytest

import torture

pytestmark = pytest.mark.real


@pytest.fixture(scope="module", autouse=True)
def _import_once():
    import chromadb  # noqa: F401 - before the children are forked


@pytest.mark.parametrize("adding", [False, True])
def test_killed_writers_leave_the_old_index_or_the_new_one(adding):
    outcome = torture.kill_writers(3, adding=adding)
    assert outcome.broken == []
    assert outcome.tried == 3


@pytest.mark.parametrize("how", ["with a bit flipped", "cut short", "removed"])
def test_damaged_files_are_found_or_harmless(how):
    outcome = torture.damage_files(1, how=how)
    assert outcome.broken == []
    assert outcome.tried >= 10


def test_a_full_disk_keeps_the_old_index():
    outcome = torture.fill_disks(2)
    assert outcome.broken == []


def test_two_builds_at_once():
    assert torture.race_writers(2).broken == []


def test_readers_are_not_disturbed_by_builds():
    outcome = torture.read_while_writing(2, readers=8)
    assert outcome.broken == []
    assert outcome.tried >= 8


def test_clocks_do_not_matter():
    assert torture.jump_clocks(3).broken == []
