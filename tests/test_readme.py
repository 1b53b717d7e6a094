"""The README is true: its commands run, its files exist, its tree is the tree."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from askpapers import cli

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
COMMANDS = sorted(set(re.findall(r"`(askpapers [a-z][^`]*)`", README)))
TARGETS = sorted(set(re.findall(r"(?:^    |`)make ([a-z]+)\b", README, re.MULTILINE)))
LINKS = sorted(set(re.findall(r"\]\((?!http)([^)#]+)\)", README)))


def test_there_is_something_to_check():
    assert len(COMMANDS) >= 5
    assert {"ask", "test"} <= set(TARGETS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_named_exists(command):
    """The command's own --help accepts it; running each whole is the real tests' part."""
    words = [w for w in shlex.split(command)[1:] if not w.isupper() and not w.startswith("-")]
    path = []
    group = cli.app
    for word in words:
        groups = {g.name: g.typer_instance for g in group.registered_groups}
        path.append(word)
        if word not in groups:
            break
        group = groups[word]
    result = CliRunner().invoke(cli.app, [*path, "--help"])
    assert result.exit_code == 0, result.output
    for option in re.findall(r"--[a-z-]+", command):
        assert option in result.output or option == "--set", option


@pytest.mark.parametrize("target", TARGETS)
def test_every_make_target_named_exists(target):
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert re.search(rf"^{target}:", makefile, re.MULTILINE)


@pytest.mark.parametrize("link", LINKS)
def test_every_file_linked_exists(link):
    assert (ROOT / link).exists()


def test_every_module_in_the_tree_exists():
    tree = README.split("src/askpapers/\n", 1)[1].split("\n\n", 1)[0]
    names = re.findall(r"\b([a-z_]+(?:\.py|/))(?=\s)", tree)
    assert len(names) > 15
    for name in names:
        assert (ROOT / "src" / "askpapers" / name.rstrip("/")).exists(), name


def test_every_command_of_the_contract_is_there():
    for words in (
        "ask",
        "search",
        "chat",
        "ui",
        "index build",
        "index add",
        "index info",
        "index verify",
        "papers list",
        "papers show",
        "papers export",
        "models list",
        "models pull",
        "models info",
        "eval list",
        "eval run",
        "eval compare",
        "eval report",
        "eval judge",
        "support",
        "doctor",
        "settings",
    ):
        result = CliRunner().invoke(cli.app, [*words.split(), "--help"])
        assert result.exit_code == 0, words
