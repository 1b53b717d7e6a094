"""Thumbs with a reason: kept in the home folder, exportable as cases of an eval suite."""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path
from typing import Any

from askpapers import contract
from askpapers.domain import Answer
from askpapers.errors import StorageFailed, UsageError

_FILE = "feedback.jsonl"
_ABSTAIN = "should have abstained"


class Feedback:
    """The ratings of one home folder. Safe to use from many threads."""

    def __init__(self, home: Path) -> None:
        """Keep ratings in a file of `home`, made with the first."""
        self._path = home / _FILE
        self._lock = threading.Lock()

    def add(self, answer: Answer, *, thumb: str, reason: str, note: str) -> None:
        """Keep one rating.

        Raises:
            UsageError: the thumb is neither up nor down.
            StorageFailed: it cannot be written.
        """
        if thumb not in ("up", "down"):
            raise UsageError(f"A rating is up or down, not {thumb!r}.")
        rating = {
            "thumb": thumb,
            "reason": reason[:100],
            "note": note[:500],
            "answer": contract.make_answer(answer).model_dump(mode="json"),
        }
        line = json.dumps(rating, ensure_ascii=False)
        try:
            with self._lock:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(line + "\n")
        except OSError as exc:
            raise StorageFailed(f"The rating could not be kept: {exc.strerror or exc}.") from exc

    def export_cases(self) -> str:
        """Return all ratings as JSON Lines in the form of a suite's cases.

        A good answer becomes a case with its papers and its evidence; a bad one keeps the
        question and the note, for a person to complete.
        """
        try:
            lines = self._path.read_text("utf-8").splitlines()
        except FileNotFoundError:
            return ""
        except OSError as exc:
            raise StorageFailed(f"The ratings cannot be read: {exc.strerror or exc}.") from exc
        cases: dict[str, str] = {}
        for line in lines:
            case = _make_case(json.loads(line))
            cases[case["id"]] = json.dumps(case, ensure_ascii=False)
        return "".join(case + "\n" for case in cases.values())


def _make_case(rating: dict[str, Any]) -> dict[str, Any]:
    answer = rating["answer"]
    digest = hashlib.sha256(answer["question"].encode()).hexdigest()[:10]
    case: dict[str, Any] = {
        "id": f"feedback-{digest}",
        "question": answer["question"],
        "tags": ["feedback", rating["thumb"]],
        "note": " · ".join(part for part in (rating["reason"], rating["note"]) if part),
    }
    if rating["reason"] == _ABSTAIN:
        return case | {"expect": "abstained", "unanswerable": "reader"}
    if rating["thumb"] == "down":
        return case | {"expect": "any"}
    if answer["status"] == "abstained":
        return case | {"expect": "abstained", "unanswerable": "reader"}
    evidence = [
        {"paper_id": one["paper_id"], "quote": one["quote"]}
        for sentence in answer["sentences"]
        for one in sentence["evidence"]
    ]
    papers = dict.fromkeys(one["paper_id"] for one in evidence)
    return case | {
        "expect": "answered",
        "papers": [{"paper_id": paper_id} for paper_id in papers],
        "evidence": evidence,
    }
