"""What was typed: whether it is a question at all, before anything is searched for it."""

from __future__ import annotations

import re

from askpapers.errors import UsageError

MAX_QUESTION_CHARS = 4000
_SMALL_TALK = re.compile(
    r"\W*(?:(?:hello|hi|hey|greetings|good (?:morning|afternoon|evening|day))\b"
    r"(?: (?:there|all))?\W*)?"
    r"(?:(?:how (?:are you|do you do|is it going)|how's it going|what's up|nice to meet you"
    r"|who are you|thank(?:s| you)(?: (?:very|so) much| a lot)?|(?:good)?bye|see you)\b"
    r"(?: (?:doing|today|now|then|there))*\W*)?",
    re.IGNORECASE,
)
_CHORE = re.compile(
    r"\W*(?:(?:please|can you|could you) )?(?:let'?s (?:play|chat|talk)\b"
    r"|(?:make|correct|fix|check|summari[sz]e|translate|rewrite|shorten|proofread|improve|polish)"
    r" (?:(?:the )?\w+ of )?(?:this|the|my)"
    r" (?:text|sentence|paragraph|document|e-?mail|letter|essay|file|page)\b)",
    re.IGNORECASE,
)
_HAS_WORD = re.compile(r"\w")
# Characters that change how text is shown without being seen: zero-width and bidirectional marks.
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\x00-\x08\x0b-\x1f\x7f]")


def check_question(question: str) -> str:
    """Return the question without invisible characters and outer white space.

    Raises:
        UsageError: nothing is asked, or too much.
    """
    cleaned = _INVISIBLE.sub("", question.encode("utf-8", "replace").decode("utf-8")).strip()
    hint = 'askpapers ask "What is …?"'
    if not _HAS_WORD.search(cleaned):
        raise UsageError("The question has no words in it.", hint=hint)
    if len(cleaned) > MAX_QUESTION_CHARS:
        raise UsageError(
            f"The question has {len(cleaned)} characters; at most {MAX_QUESTION_CHARS} are read.",
            hint="ask a shorter question",
        )
    return cleaned


def asks_nothing(question: str) -> bool:
    """Tell whether nothing is asked that papers could state.

    So it is with mere politeness ("Hello, how are you?") and with chores for an assistant
    ("Correct this sentence.").
    """
    return bool(_SMALL_TALK.fullmatch(question) or _CHORE.match(question))
