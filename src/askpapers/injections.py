"""Finds text that talks to a program instead of about research, in abstracts and in questions.

An abstract is data: a sentence of it that gives orders to its reader, carries markup or control
tokens, or lists sources of its own is no evidence, and nobody needs to see it as an answer. In a
question such parts are taken out, and what is left is what is asked. Rules, no model: each can be
read, and `tests/test_injections.py` holds examples of what it must find and must leave alone.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

_FLAGS = re.IGNORECASE
_TAGS = (
    "a|applet|body|button|div|embed|form|frame|head|html|iframe|img|input|link|meta|object|p|"
    "script|span|style|svg|table|video"
)
_CONTROL = re.compile(
    r"<\|[a-z][a-z0-9_ ]*\|>|\[/?INST\]|<</?SYS>>|</?s>|<(?:start|end)_of_turn>"
    r"|#{2,}\s*(?:human|user|assistant|system|instructions?|response)\s*:",
    _FLAGS,
)
_REVERSED = re.compile("[\u202a-\u202e\u2066-\u2069]")
_MARKUP = re.compile(
    rf"<\s*/?\s*(?:{_TAGS})\b[^<>]*>|!\[[^\]]*\]\([^)]*\)|\]\(\s*(?:javascript|data):"
    r"|\bjavascript:|\bon(?:error|load|click)\s*=",
    _FLAGS,
)
_CODE = re.compile(
    r"\bdocument\.cookie\b|\b(?:fetch|alert|eval)\(['\"]|\{\s*\"\w+\"\s*:|\bDROP TABLE\b"
)
_MARK = re.compile(r"\[\d{1,3}\]")
_MARKS_ALLOWED = 2
"""So many different bracketed numbers a sentence may have carried over from its paper."""
_OPENS_AS_SOURCE = re.compile(r"^[\s>*-]*(?:\[\d{1,3}\]\s*)+\S")

_SAY = r"(?:say|write|print|output|reply|respond|answer|repeat|reveal|show|display|return)"
_RULES = (
    r"(?:instructions?|prompts?|rules|guidelines|(?:the |this |that )?question|abstracts?|sources?"
    r"|context|above|before|everything|previous)"
)
# Where an order begins: the sentence, perhaps behind a label, or a clause after a comma or "and".
_START = r"(?:^|[:;.!?]\s+)[\"'“‘(]*(?:please\s+)?"
_CLAUSE = r"(?:^|[:;,.!?]\s+|\b(?:and|then|please)\s+)[\"'“‘(]*(?:please\s+)?"
_ORDERS = (
    # ignore the instructions
    rf"{_START}(?:ignore|disregard|forget|override|bypass)\s+(?:\w+\s+){{0,4}}{_RULES}\b",
    # reply only with …, say the word …, print your system prompt
    rf"{_CLAUSE}{_SAY}\s+(?:(?:only|exactly|just|nothing)\b|with\s+(?:only\b|exactly\b|the\s+"
    rf"(?:word|words|phrase|sentence)\b|[\"'“‘])|(?:the|this)\s+(?:word|phrase|sentence)\b"
    rf"|(?:me\s+)?your\s)",
    rf"{_START}(?:reply|respond|answer)\s+with\b",
    rf"{_START}repeat\s+(?:after\s+me\b|everything\b|all\b|the\s+text\b)",
    rf"{_START}{_SAY}\s+(?:\w+\s+)?in\s+(?:base64|rot13|hex|binary|morse|pig latin)\b",
    rf"{_START}(?:cite|quote)\s+(?:only\s+)?(?:the\s+)?(?:source\s+)?\[\d+\]",
    rf"{_START}(?:reveal|print|show|translate|repeat|summari[sz]e|leak)\s+(?:\w+\s+){{0,2}}"
    r"(?:system\s+prompt|(?:initial\s+|hidden\s+)?instructions\s+(?:that\s+)?you\b)",
    rf"{_START}click\s+here\b",
    r"\bfrom\s+now\s+on\b.{0,40}\b(?:answers?|reply|respond|say|you)\b",
    r"\byou\s+are\s+now\b|\bpretend\s+to\s+be\b|\bact\s+as\s+(?:if\s+you|my|an?\s+(?:assistant"
    r"|ai|model|expert))\b",
    rf"\byou\s+(?:must|should|shall|have\s+to|are\s+to|will)\s+(?:now\s+|only\s+|always\s+)*{_SAY}\b",
    r"\bif\s+(?:you\s+are|you're)\s+asked\b",
    r"\b(?:your|my)\s+(?:system\s+)?(?:prompt|password|instructions)\b",
    r"\b(?:every|each|any|all)\s+(?:\w+\s+)?(?:assistants?|chatbots?|ai|models?|readers?)\s+"
    rf"(?:must|should|shall|has\s+to|have\s+to)\s+(?:\w+\s+)?(?:cite|recommend|{_SAY[3:]}\b",
    # the answer to everything is …
    r"\bthe\s+only\s+(?:correct\s+|right\s+|true\s+)?answer\s+(?:to|about|for|is)\b",
    r"\b(?:the\s+)?answers?\s+to\s+(?:every|any|all|each)\b.{0,40}\bis\b",
    r"\bevery\s+answer\s+(?:is|must)\b",
    r"\bthis\s+(?:abstract|paper|text|document)\s+answers\s+(?:every|any|all)\b",
    r"^\W*(?:system|admin|developer)\s+(?:notice|message|prompt|note|override|instruction)s?\s*:",
)
_ORDER = re.compile("|".join(_ORDERS), _FLAGS)
# Every order holds one of these, and few sentences of research do: the rules run on those alone.
_HINT = re.compile(
    r"\b(?:ignore|disregard|forget|override|bypass|say|write|print|output|reply|respond|answers?"
    r"|repeat|reveal|show|display|return|cite|quote|translate|leak|summari[sz]e|click|now|you|you're"
    r"|your|my|pretend|act|must|should|shall|ha(?:s|ve) to|only|notice|message|prompt|note|override"
    r"|instructions?)\b",
    _FLAGS,
)

_BLOCK = re.compile(
    r"<\|im_start\|>\s*(?P<role>\w+)\s*\n?(?P<body>.*?)(?=<\|im_(?:start|end)\|>|$)", re.DOTALL
)
_ROLE_LINE = re.compile(
    r"#{2,}\s*(?P<role>human|user|assistant|system|instructions?|response)\s*:(?P<body>.*?)"
    r"(?=#{2,}\s*\w+\s*:|$)",
    re.IGNORECASE | re.DOTALL,
)
_SYSTEM_BLOCK = re.compile(r"<<SYS>>.*?(?:<</SYS>>|$)", re.DOTALL)
_SCRIPT = re.compile(r"<(script|style)\b.*?(?:</\1\s*>|$)", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(rf"<\s*/?\s*(?:{_TAGS})\b[^<>]*>", _FLAGS)
_LINK = re.compile(r"!\[[^\]]*\]\([^)]*\)|\[[^\]]*\]\(\s*(?:javascript|data):[^)]*\)+", _FLAGS)
_PLACEHOLDER = re.compile(
    r"\$\{[^}]*\}(?!\$)|\{\{[^}]*\}\}|(?<!\S)(?:\$[a-z_]+|\{[a-z_]+\}|%[sdn]|\$\$)(?!\S)"
)
_STATEMENT = re.compile(r"^\W*DROP\s+TABLE\s+\w+\s*;?\s*(?:--)?\s*", re.IGNORECASE)
_NAMED_MARKS = re.compile(
    r"(?:\baccording to|\bas in|\bsee|\bin)\s+\[\d{1,3}\](?:\s*(?:,|and|or)\s*\[\d{1,3}\])*,?\s*",
    _FLAGS,
)
_LABEL = re.compile(r"^\s*(?:question|query|q)\s*:\s*", _FLAGS)
_LIST_HEAD = re.compile(r"^\s*(?:new\s+|trusted\s+)?sources?\s*(?:\[\d+\])?\s*:?\s*$", _FLAGS)
_NEW_SOURCE = re.compile(r"^\s*(?:new|trusted)\s+(?:source|paper|evidence)\b[^?]*$", _FLAGS)
_PIECE = re.compile(r"(?<=[.!?])[\"'”’)]*\s+|\n+")
_ASKED_BEHIND_COLON = re.compile(r"^(?P<order>.*:)\s+(?P<asked>[^:]*\?)[\"'”’)]*$", re.DOTALL)
# Full width and mathematical letters read as the plain ones; other characters stay as typed.
_DRESSED = re.compile("[\uff01-\uff5e\U0001d400-\U0001d7ff]+")


@dataclass(frozen=True, slots=True)
class Plain:
    """A question without what is no question: `text`, and the parts that were taken out.

    `text` is empty when nothing is asked.
    """

    text: str
    taken_out: tuple[str, ...]


@lru_cache(maxsize=8192)  # every search looks at the sentences of a dozen papers, twice
def find_fault(sentence: str) -> str | None:
    """Say why a sentence of an abstract is no evidence; None for the sentences of research."""
    if _CONTROL.search(sentence) or _REVERSED.search(sentence):
        return "it holds control tokens"
    if _MARKUP.search(sentence) or _CODE.search(sentence):
        return "it holds markup or code"
    if _OPENS_AS_SOURCE.match(sentence) or len(set(_MARK.findall(sentence))) > _MARKS_ALLOWED:
        return "it cites sources that are not here"
    if _HINT.search(sentence) and _ORDER.search(sentence):
        return "it gives orders to its reader"
    return None


def take_out(question: str) -> Plain:
    """Take markup, control tokens, sources and orders out of a question, else leave it as it is."""
    taken: list[str] = []

    def drop(match: re.Match[str]) -> str:
        taken.append(match[0])
        return " "

    def keep_user(match: re.Match[str]) -> str:
        if match["role"].lower() in ("user", "human"):
            return f" {match['body']}\n"
        taken.append(match[0])
        return " "

    whole = text = _DRESSED.sub(lambda m: unicodedata.normalize("NFKC", m[0]), question)
    for pattern in (_SYSTEM_BLOCK, _SCRIPT):
        text = pattern.sub(drop, text)
    for pattern in (_BLOCK, _ROLE_LINE):
        text = pattern.sub(keep_user, text)
    for pattern in (_CONTROL, _TAG, _LINK, _PLACEHOLDER, _STATEMENT, _NAMED_MARKS):
        text = pattern.sub(drop, text)
    kept: list[str] = []
    for line in text.splitlines():
        pieces = [line] if _is_source(line) else _PIECE.split(line)
        for piece in pieces:
            piece = _LABEL.sub("", piece).strip()
            behind = _ASKED_BEHIND_COLON.match(piece)
            if not _is_source(piece) and not _is_order(piece):
                kept.append(piece)
            elif behind and not _is_source(piece):
                taken.append(behind["order"])
                kept.append(behind["asked"])
            else:
                taken.append(piece)
    taken = [part.strip() for part in taken if part.strip()]
    if not taken and not _MARK.search(whole):
        return Plain(whole.strip(), ())
    plain = re.sub(r"\s+", " ", _MARK.sub(" ", " ".join(kept))).strip()
    return Plain(plain if re.search(r"\w", plain) else "", tuple(taken))


def _is_source(piece: str) -> bool:
    """Tell whether a line poses as a source; a question that begins with a mark does not."""
    if piece.rstrip("\"'”’) ").endswith("?"):
        return False
    return any(p.match(piece) for p in (_OPENS_AS_SOURCE, _LIST_HEAD, _NEW_SOURCE))


def _is_order(piece: str) -> bool:
    """Tell whether a sentence gives an order; what ends as a question must also begin as one."""
    asks = piece.rstrip("\"'”’) ").endswith("?")
    return bool(_ORDER.match(piece) if asks else _ORDER.search(piece))
