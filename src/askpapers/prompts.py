"""Prompts (`prompts/*.md`): front matter that declares them, a `string.Template` body.

    ---
    version: 1
    purpose: one line
    variables: [question, sources]
    ---
    Question: $question

Loading fails when declared and used variables differ, rendering when given and declared differ.
"""

from __future__ import annotations

import hashlib
import re
import string
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from askpapers.errors import ResourceError
from askpapers.resources import find_folder

_FRONT_MATTER = re.compile(
    r"\A---\n"
    r"version: (?P<version>\d+)\n"
    r"purpose: (?P<purpose>.+)\n"
    r"variables: \[(?P<variables>[a-z_, ]*)\]\n"
    r"---\n(?P<body>.*)\Z",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt. `digest` (16 hex digits of sha256) identifies its file's exact text."""

    name: str
    version: int
    purpose: str
    variables: frozenset[str]
    body: str
    digest: str

    def render(self, **values: str) -> str:
        """Fill the body in; surrounding white space is stripped.

        Raises:
            ResourceError: the values given are not the variables declared.
        """
        if set(values) != self.variables:
            raise ResourceError(
                f"The prompt {self.name!r} takes {sorted(self.variables)}, got {sorted(values)}."
            )
        return string.Template(self.body).substitute(values).strip()


def parse_prompt(name: str, text: str) -> Prompt:
    """Read a prompt from its file's text.

    Raises:
        ResourceError: the front matter is malformed, or declared and used variables differ.
    """
    match = _FRONT_MATTER.match(text)
    if match is None:
        raise ResourceError(
            f"The prompt {name!r} does not begin with version, purpose and variables."
        )
    declared = {part.strip() for part in match["variables"].split(",") if part.strip()}
    template = string.Template(match["body"])
    if not template.is_valid():
        raise ResourceError(f"The prompt {name!r} has a stray '$'; write '$$' for a dollar sign.")
    used = set(template.get_identifiers())
    if used != declared:
        raise ResourceError(
            f"The prompt {name!r} declares {sorted(declared)} and uses {sorted(used)}."
        )
    return Prompt(
        name=name,
        version=int(match["version"]),
        purpose=match["purpose"].strip(),
        variables=frozenset(declared),
        body=match["body"],
        digest=hashlib.sha256(text.encode()).hexdigest()[:16],
    )


def load_prompt(name: str, folder: Path | None = None) -> Prompt:
    """Read `prompts/<name>.md`.

    Raises:
        ResourceError: there is no such prompt, or it is malformed.
    """
    path = find_folder("prompts", folder) / f"{name}.md"
    try:
        return parse_prompt(name, path.read_text("utf-8"))
    except OSError as exc:
        raise ResourceError(f"The prompt {name!r} was not found at {str(path)!r}.") from exc


def escape_control_tokens(text: str, control_tokens: Iterable[str]) -> str:
    """Break up every control token of a model's vocabulary in a text that is not ours.

    `<|im_end|>` becomes `< |im_end|>`: readable, and no longer one token. Repeated until none is
    left, because taking one apart must not put another together.
    """
    tokens = [token for token in control_tokens if len(token) > 1]
    if not tokens:
        return text
    pattern = re.compile("|".join(map(re.escape, sorted(tokens, key=len, reverse=True))))
    while pattern.search(text):
        text = pattern.sub(lambda match: f"{match[0][0]} {match[0][1:]}", text)
    return text
