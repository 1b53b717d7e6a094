"""The house holds: layers, no cycles, docstrings, heavy libraries in one place and late."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "askpapers"
LAYERS = [
    ["errors", "domain", "resources"],
    ["settings", "prompts", "models", "corpus"],
    [
        "tokens",
        "sentences",
        "terms",
        "injections",
        "encoders",
        "sealing",
        "store",
        "lexical",
        "generation",
    ],
    [
        "passages",
        "questions",
        "queries",
        "evidence",
        "figures",
        "names",
        "answerability",
        "availability",
        "fusion",
        "likelihood",
        "second_reader",
        "candidates",
        "retrieval",
        "indexing",
        "support",
        "citations",
        "compression",
        "antecedents",
        "telling",
        "forerunners",
        "writing",
        "verification",
        "conversation",
        "answering",
    ],
    ["metrics", "evals", "reports", "training", "contract"],
    ["opening", "app", "evaluation", "doctor", "chat", "ui", "cli", "__main__"],
]
HEAVY = {
    "torch": {"encoders", "training"},
    "transformers": {"encoders", "training"},
    "sentence_transformers": {"encoders", "training"},
    "peft": {"training"},
    "chromadb": {"store"},
    "bm25s": {"lexical", "training"},
    "llama_cpp": {"generation"},
    "tiktoken": {"tokens"},
    "gguf": {"tokens", "training"},
    "gradio": {"ui"},
    "typer": {"cli"},
    "huggingface_hub": {"models"},
    "sentencex": {"sentences"},
}
MODULES = sorted(SOURCE.rglob("*.py"))


def room_of(path):
    """The top-level module or package of a file."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def layer_of(room):
    return next(i for i, rooms in enumerate(LAYERS) if room in rooms)


def imports_of(path):
    """(module, inside a function or TYPE_CHECKING) for every import of a file."""
    tree = ast.parse(path.read_text("utf-8"))
    late = set()
    for node in ast.walk(tree):
        lazy = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or (
            isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        )
        if lazy:
            late |= {id(inner) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, id(node) in late
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, id(node) in late


def test_every_room_has_its_layer():
    rooms = {room_of(path) for path in MODULES} - {"__init__"}
    assert rooms <= {room for layer in LAYERS for room in layer}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_go_downward_and_heavy_ones_stay_at_home(path):
    room = room_of(path)
    for module, late in imports_of(path):
        top = module.split(".")[0]
        if top == "askpapers" and room != "__init__":
            other = [*module.split("."), ""][1]
            if other and other != room:
                assert layer_of(other) <= layer_of(room), f"{room} imports {other}"
        if top in HEAVY:
            assert room in HEAVY[top], f"{room} imports {top}"
            assert late or room == "cli" or room == "training", f"{path.name} imports {top} early"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_every_module_says_what_it_is_for(path):
    assert ast.get_docstring(ast.parse(path.read_text("utf-8")))


def test_there_are_no_cycles_between_rooms():
    edges = {}
    for path in MODULES:
        room = room_of(path)
        for module, late in imports_of(path):
            parts = module.split(".")
            if parts[0] == "askpapers" and len(parts) > 1 and parts[1] != room and not late:
                edges.setdefault(room, set()).add(parts[1])
    done, active = set(), []

    def visit(room):
        assert room not in active, " -> ".join([*active[active.index(room) :], room])
        if room in done:
            return
        active.append(room)
        for other in edges.get(room, ()):
            visit(other)
        active.pop()
        done.add(room)

    for room in list(edges):
        visit(room)


def test_help_loads_nothing_heavy():
    code = (
        "import sys; sys.argv = ['askpapers', '--help']\n"
        "from askpapers.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print([m for m in {sorted(HEAVY)!r} if m in sys.modules and m != 'typer'])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip().splitlines()[-1] == "[]"
    assert "ask" in result.stdout


def test_no_module_is_a_drawer():
    for path in MODULES:
        name = path.stem
        assert name not in ("utils", "helpers", "common", "manager", "base", "core"), path


def test_the_text_speaks_of_the_project_alone():
    pattern = re.compile(r"/work/|\bthis session\b|\bsubagent\b", re.IGNORECASE)
    for path in MODULES:
        assert not pattern.search(path.read_text("utf-8")), path
