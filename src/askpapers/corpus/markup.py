"""XML: arXiv's Atom feeds and the ACL Anthology, by defusedxml's streaming reader.

Entities, external or expanding, are never resolved; a document that declares one is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from xml.sax import SAXException, SAXParseException
from xml.sax.handler import ContentHandler, feature_namespaces

from askpapers.corpus.dates import make_date, parse_date
from askpapers.corpus.entries import Entry, Rejected

_MAX_FIELD_CHARS = 2**18
_MAX_DEPTH = 100
_MAX_AUTHORS = 100_000


def is_xml(head: str) -> bool:
    """Tell whether a text that starts with `head` is XML."""
    return head.lstrip().startswith(("<?xml", "<feed", "<collection", "<entry", "<!DOCTYPE"))


def parse_xml(lines: Iterable[tuple[int, str]], *, file: str) -> Iterator[Entry | Rejected]:
    """Yield the papers of an Atom feed or of an Anthology collection, told apart by the root."""
    from defusedxml import DefusedXmlException
    from defusedxml.expatreader import create_parser

    found: list[Entry | Rejected] = []
    handler = _Reader(file, found.append)
    parser = create_parser(forbid_dtd=False, forbid_entities=True, forbid_external=True)
    parser.setFeature(feature_namespaces, False)
    parser.setContentHandler(handler)
    try:
        for number, text in lines:
            if number == 1 and text.startswith("<?xml"):
                # The text is decoded already; the encoding that it declares no longer holds.
                text = '<?xml version="1.0"?>' + text.partition("?>")[2]
            handler.line = number
            parser.feed(text.encode("utf-8", "surrogateescape") + b"\n")
            yield from found
            found.clear()
        parser.close()
    except DefusedXmlException as exc:
        yield from found
        yield Rejected(file, handler.line, f"declares XML entities: {type(exc).__name__}")
        return
    except _UnknownRoot as exc:
        yield Rejected(file, 1, f"is XML in no known layout (root element {str(exc)[:60]!r})")
        return
    except SAXParseException as exc:
        yield from found
        yield Rejected(file, handler.line, f"is not well-formed XML: {exc.getMessage()}")
        return
    except (SAXException, ValueError) as exc:
        yield from found
        yield Rejected(file, handler.line, f"is not well-formed XML: {exc}")
        return
    yield from found


class _UnknownRoot(Exception):
    """The root element belongs to no layout known here."""


class _Reader(ContentHandler):
    """Collects the text of a paper's elements and hands each finished paper on."""

    def __init__(self, file: str, emit: Callable[[Entry | Rejected], None]) -> None:
        super().__init__()
        self._file = file
        self._emit = emit
        self._path: list[str] = []
        self._paper: _Paper | None = None
        self._text: list[str] = []
        self._collection = self._volume = ""
        self._volume_year: str | None = None
        self.line = 1

    def startElement(self, name: str, attrs: object) -> None:
        """Open an element."""
        name = name.rpartition(":")[2]
        get = getattr(attrs, "get", lambda *_: None)
        if not self._path and name not in ("feed", "entry", "collection"):
            raise _UnknownRoot(name)
        self._path.append(name)
        if len(self._path) > _MAX_DEPTH:
            raise ValueError(f"nested deeper than {_MAX_DEPTH} elements")
        if name == "collection":
            self._collection = get("id") or ""
        elif name == "volume":
            self._volume, self._volume_year = get("id") or "", None
        elif name == "entry" or (name == "paper" and self._path[0] == "collection"):
            self._paper = _Paper(self.line, self._anthology_id(get("id")))
        elif self._paper is not None and name == "link" and get("rel") == "alternate":
            self._paper.fields["url"] = get("href") or ""
        if self._field() is not None and len(self._path) == self._field_depth():
            self._text = []
        elif self._field() == "author":  # first and last name are elements side by side
            self._text.append(" ")

    def characters(self, content: str) -> None:
        """Take text."""
        if self._field() is not None:
            self._text.append(content)
            if len(self._text) > 64:
                joined = "".join(self._text)
                if len(joined) > _MAX_FIELD_CHARS:
                    raise ValueError(f"a text of more than {_MAX_FIELD_CHARS:,} characters")
                self._text = [joined]

    def endElement(self, name: str) -> None:
        """Close an element."""
        name = name.rpartition(":")[2]
        if self._field() is not None and len(self._path) == self._field_depth():
            self._keep(self._field() or "", "".join(self._text))
        self._path.pop()
        if self._paper is not None and name in ("entry", "paper"):
            self._emit(self._paper.finish(self._file, self._volume_year))
            self._paper = None

    def _anthology_id(self, number: str | None) -> str | None:
        if self._path[0] != "collection" or not number:
            return None
        return f"{self._collection}-{self._volume}.{number}"

    def _field_depth(self) -> int:
        """Depth of the element that holds the current field; markup may lie within it."""
        root = 1 if self._path[0] == "entry" else 3 if self._path[0] == "collection" else 2
        return root + 1

    def _field(self) -> str | None:
        """Return the field that the current text belongs to, if any."""
        depth = self._field_depth()
        if len(self._path) < depth:
            return None
        name = self._path[depth - 1]
        if self._path[0] == "collection" and self._path[2] == "meta":
            return "volume_year" if name == "year" else None
        return name if self._paper is not None else None

    def _keep(self, field: str, text: str) -> None:
        text = " ".join(text.split())
        if field == "volume_year":
            self._volume_year = text
        elif self._paper is not None and field == "author":
            if len(self._paper.authors) > _MAX_AUTHORS:
                raise ValueError(f"a paper of more than {_MAX_AUTHORS:,} authors")
            self._paper.authors.append(text)
        elif self._paper is not None:
            self._paper.fields.setdefault(field, text)


class _Paper:
    """The fields of one paper while its element is open."""

    def __init__(self, line: int, paper_id: str | None) -> None:
        self.line = line
        self.paper_id = paper_id
        self.fields: dict[str, str] = {}
        self.authors: list[str] = []

    def finish(self, file: str, volume_year: str | None) -> Entry:
        """Return the entry made of the fields."""
        get = self.fields.get
        atom_id = get("id", "")
        date_text = get("published") or get("year") or volume_year
        url = get("url")
        if self.paper_id and url and "/" not in url:
            url = f"https://aclanthology.org/{url}"
        return Entry(
            title=get("title", ""),
            abstract=get("summary") or get("abstract") or "",
            file=file,
            line=self.line,
            paper_id=self.paper_id or _arxiv_id(atom_id),
            authors=tuple(self.authors),
            date=(parse_date(date_text) or make_date(get("year"))) if date_text else None,
            date_text=date_text,
            url=url or (atom_id if atom_id.startswith("http") else None),
        )


def _arxiv_id(atom_id: str) -> str | None:
    """Return `2301.00001` for `http://arxiv.org/abs/2301.00001v2`, other ids as they are.

    The version is left out: versions of a paper are one record.
    """
    identifier = atom_id.rpartition("/abs/")[2] if "/abs/" in atom_id else atom_id
    stem, v, version = identifier.rpartition("v")
    return (stem if v and stem and version.isdecimal() else identifier) or None
