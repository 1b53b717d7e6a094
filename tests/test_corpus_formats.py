"""Every other format: what is taken, and what is reported with its line."""

import gzip
import json
import lzma
import os

import pytest

from askpapers.corpus import Entry, Rejected, find_files, load_papers, read_file
from askpapers.errors import CorpusError, NotFound

ABSTRACT = "We study a thing that matters. It is 3.5% better."


def read(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(read_file(path, name=name))


def one(tmp_path, name, content):
    (entry,) = read(tmp_path, name, content)
    assert isinstance(entry, Entry), entry
    return entry


def told(items):
    return [(item.line, item.reason) for item in items if isinstance(item, Rejected)]


def test_jsonl_with_every_field(tmp_path):
    record = {
        "title": "A Title",
        "abstract": ABSTRACT,
        "id": "x/1",
        "date": "2024-05-31",
        "authors": ["Ann Lee", {"name": "Bo Chen"}],
        "url": "https://example.org/1",
    }
    entry = one(tmp_path, "a.jsonl", json.dumps(record) + "\n\n")
    assert (entry.paper_id, entry.date, entry.url) == ("x/1", "2024-05-31", record["url"])
    assert (entry.authors, entry.authors_count) == (("Ann Lee", "Bo Chen"), 2)
    papers, _ = load_papers([tmp_path / "a.jsonl"])
    assert papers[0].paper_id == "x/1"


def test_jsonl_reports_every_bad_line_and_keeps_the_rest(tmp_path):
    good = json.dumps({"title": "T", "abstract": ABSTRACT})
    lines = [
        "not json",
        "[1, 2]",
        json.dumps({"title": "No abstract"}),
        json.dumps({"abstract": ABSTRACT}),
        json.dumps({"title": 3, "abstract": ABSTRACT}),
        json.dumps({"title": "T", "abstract": ABSTRACT, "id": ["x"]}),
        '{"title": "\\ud800", "abstract": "x"}',
        '{"title": "\\u0000", "abstract": "x"}',
        json.dumps({"title": "T" * 3000, "abstract": "x"}),
        json.dumps({"title": "T", "abstract": "x" * 60_000}),
        '{"title": ' + "[" * 100_000,
        good,
    ]
    items = read(tmp_path, "a.jsonl", "\n".join(lines))
    assert [line for line, _ in told(items)] == list(range(1, 12))
    assert sum(isinstance(item, Entry) for item in items) == 1
    reasons = dict(told(items))
    assert reasons[2] == "is not an object but list"
    assert reasons[3] == "has no abstract: 'No abstract'"
    assert reasons[4] == "has no title"
    assert "NUL" in reasons[7]
    assert reasons[11] == "is not JSON: nested too deeply"


@pytest.mark.parametrize("wrap", [lambda r: r, lambda r: {"papers": r}, lambda r: r[0]])
def test_json_documents(tmp_path, wrap):
    records = [{"title": f"T{i}", "abstract": ABSTRACT, "year": 2020} for i in range(3)]
    items = read(tmp_path, "a.json", json.dumps(wrap(records), indent=1))
    assert [item.title for item in items] == (
        ["T0", "T1", "T2"] if wrap(records) != records[0] else ["T0"]
    )
    assert items[0].date == "2020"


def test_a_long_json_list_is_read_record_by_record(tmp_path):
    records = [{"title": f"T{i}", "abstract": ABSTRACT * 40} for i in range(200)]
    text = json.dumps(records, indent=1)
    items = read(tmp_path, "a.json", text)
    assert [item.title for item in items] == [f"T{i}" for i in range(200)]
    assert text.split("\n")[items[150].line - 1].strip() == "{"
    cut = read(tmp_path, "b.json", text[: len(text) // 2])
    assert 90 <= sum(isinstance(item, Entry) for item in cut) <= 100
    assert len(told(cut)) == 1


def test_csv_and_tsv(tmp_path):
    csv_text = (
        "Title,Abstract,Authors,Date\n"
        f'"A, quoted","{ABSTRACT}\nsecond line",Ann Lee; Bo Chen,2021-03\n'
        "Only a title,,,\n"
        f"Last,{ABSTRACT},,\n"
    )
    items = read(tmp_path, "a.csv", csv_text)
    assert items[0].title == "A, quoted"
    assert items[0].abstract == f"{ABSTRACT} second line"
    assert (items[0].authors, items[0].date, items[0].line) == (
        ("Ann Lee", "Bo Chen"),
        "2021-03",
        2,
    )
    assert told(items) == [(4, "has no abstract: 'Only a title'")]
    assert items[2].line == 5
    entry = one(tmp_path, "a.tsv", f"id\ttitle\tabstract\nk1\tT\t{ABSTRACT}\n")
    assert (entry.paper_id, entry.title) == ("k1", "T")
    assert "without a column" in told(read(tmp_path, "b.csv", "name,year\nx,1\n"))[0][1]


def test_bibtex(tmp_path):
    text = """
% a comment
@string{jan = "January"}
@article{lee2020,
  title = {{Deep} Kernels for {GP}s},
  author = {Lee, Ann and Bo Chen},
  year = 2020,
  month = mar,
  abstract = {We use $x_{1}$ and reach 5\\% error.},
  doi = {10.1/abc}
}

@inproceedings{nothing, title = {No Abstract}, year = {2019}}

@misc{broken, title = {Half
@misc{good, title={Good One}, abstract={It works.}}
"""
    items = read(tmp_path, "a.bib", text)
    first = items[0]
    assert first.title == "Deep Kernels for GPs"
    assert first.abstract == "We use $x_{1}$ and reach 5% error."
    assert first.authors == ("Ann Lee", "Bo Chen")
    assert (first.date, first.line, first.url) == ("2020-03", 4, "https://doi.org/10.1/abc")
    assert [line for line, _ in told(items)] == [13, 15]
    assert items[-1].title == "Good One"


def test_ris(tmp_path):
    text = (
        "TY  - JOUR\nTI  - A Title\nAU  - Lee, Ann\nAU  - Chen, Bo\nPY  - 2019/04/02/\n"
        f"AB  - {ABSTRACT}\ngoes on here\nUR  - https://example.org\nER  - \n\n"
        "TY  - CONF\nT1  - Second\nN2  - Another abstract.\nPY  - 2018\nER  - \n"
        "TY  - CONF\nTI  - Third\nER  - \n"
    )
    items = read(tmp_path, "a.ris", text)
    assert items[0].authors == ("Ann Lee", "Bo Chen")
    assert items[0].abstract.endswith("goes on here")
    assert (items[0].date, items[0].line) == ("2019-04-02", 1)
    assert (items[1].title, items[1].abstract, items[1].date) == (
        "Second",
        "Another abstract.",
        "2018",
    )
    assert told(items) == [(16, "has no abstract: 'Third'")]


ATOM = """<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom">
  <title>ArXiv Query</title>
  <entry>
    <id>http://arxiv.org/abs/2301.00001v2</id>
    <published>2023-01-01T10:00:00Z</published>
    <title>A Title
  on Two Lines</title>
    <summary>  We study &lt;things&gt;.
It works.
</summary>
    <author><name>Ann Lee</name></author>
    <author><name>Bo Chen</name></author>
    <link href="http://arxiv.org/abs/2301.00001v2" rel="alternate" type="text/html"/>
  </entry>
  <entry><id>http://arxiv.org/abs/2301.00002v1</id><title>Second</title></entry>
</feed>
"""


def test_arxiv_atom(tmp_path):
    items = read(tmp_path, "a.xml", ATOM)
    first = items[0]
    assert (first.paper_id, first.date, first.line) == ("2301.00001", "2023-01-01", 4)
    assert (first.title, first.abstract) == (
        "A Title on Two Lines",
        "We study <things>. It works.",
    )
    assert first.authors == ("Ann Lee", "Bo Chen")
    assert first.url == "http://arxiv.org/abs/2301.00001v2"
    assert told(items) == [(16, "has no abstract: 'Second'")]


def test_acl_anthology(tmp_path):
    text = """<?xml version='1.0' encoding='UTF-8'?>
<collection id="2020.acl">
  <volume id="main" ingest-date="2020-06-21">
    <meta><booktitle>Proceedings</booktitle><year>2020</year></meta>
    <frontmatter><url>2020.acl-main.0</url></frontmatter>
    <paper id="1">
      <title>Learning to <fixed-case>U</fixed-case>nderstand</title>
      <author><first>Ann</first><last>Lee</last></author>
      <abstract>We use <tex-math>x</tex-math> in <b>text</b>.</abstract>
      <url hash="0">2020.acl-main.1</url>
    </paper>
    <paper id="2"><title>None</title></paper>
  </volume>
</collection>
"""
    items = read(tmp_path, "2020.acl.xml", text)
    first = items[0]
    assert (first.paper_id, first.date, first.line) == ("2020.acl-main.1", "2020", 6)
    assert (first.title, first.abstract) == ("Learning to Understand", "We use x in text.")
    assert first.authors == ("Ann Lee",)
    assert first.url == "https://aclanthology.org/2020.acl-main.1"
    assert told(items) == [(12, "has no abstract: 'None'")]


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ('<!DOCTYPE a [<!ENTITY x "xx"><!ENTITY y "&x;&x;">]><feed><entry/></feed>', "entities"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><feed/>', ""),
        ('<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><feed>&e;</feed>', "entities"),
        ("<feed><entry>", "not well-formed"),
        ("<html><body/></html>", "no known layout"),
        ("<feed>" + "<a>" * 5000, "nested"),
    ],
)
def test_hostile_xml_is_refused(tmp_path, document, reason):
    items = read(tmp_path, "a.xml", '<?xml version="1.0"?>\n' + document)
    assert not any(isinstance(item, Entry) for item in items)
    assert all("root:" not in str(item) for item in items)
    assert reason == "" or reason in told(items)[-1][1]


@pytest.mark.parametrize(("opener", "suffix"), [(gzip.open, ".gz"), (lzma.open, ".xz")])
def test_compressed_files(tmp_path, opener, suffix):
    path = tmp_path / f"a.jsonl{suffix}"
    with opener(path, "wt") as stream:
        stream.write(json.dumps({"title": "T", "abstract": ABSTRACT}))
    (entry,) = read_file(path, name=path.name)
    assert entry.title == "T"
    path.write_bytes(path.read_bytes()[:-6])
    assert "cannot be read to its end" in told(read_file(path, name=path.name))[-1][1]


def test_a_bomb_stops_early(tmp_path):
    path = tmp_path / "bomb.jsonl.gz"
    with gzip.open(path, "wb") as stream:
        stream.write(b'{"title": "T", "abstract": "A."}\n')
        for _ in range(400):
            stream.write(b" " * 2**20 + b"\n")
    items = list(read_file(path, name=path.name))
    assert isinstance(items[0], Entry)
    assert "unpacks to more than" in told(items)[-1][1]


def test_a_line_without_end_is_passed_over_in_bounded_memory(tmp_path):
    path = tmp_path / "a.jsonl"
    with path.open("wb") as stream:
        stream.write(b'{"title": "T", "abstract": "A."}\n{"title": "')
        for _ in range(40):
            stream.write(b"x" * 2**20)
        stream.write(b'"}\n{"title": "U", "abstract": "B."}\n')
    items = list(read_file(path, name="a.jsonl"))
    assert [item.title for item in items if isinstance(item, Entry)] == ["T", "U"]
    assert told(items) == [(2, "is a line longer than 8 MiB")]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (bytes(range(256)) * 10, "is binary"),
        ("title".encode("utf-16"), "UTF-16"),
        (b"just some words\nand more words\n", "no known layout"),
    ],
)
def test_files_that_are_no_corpus(tmp_path, content, reason):
    assert reason in told(read(tmp_path, "a.txt", content))[0][1]


def test_latin_1_is_reported_not_mangled(tmp_path):
    text = f"title\tabstract\nCaf\xe9\t{ABSTRACT}\nPlain\t{ABSTRACT}\n".encode("latin-1")
    items = read(tmp_path, "a.tsv", text)
    assert "not UTF-8" in told(items)[0][1]
    assert items[1].title == "Plain"


def test_byte_order_mark_and_windows_line_ends(tmp_path):
    text = f"\ufefftitle,abstract\r\nT,{ABSTRACT}\r\n"
    assert one(tmp_path, "a.csv", text).abstract == ABSTRACT


def test_folders_and_globs(tmp_path):
    (tmp_path / "sub").mkdir()
    for name in ("b.jsonl", "a.jsonl", "sub/a.jsonl", "notes.md", ".hidden.jsonl"):
        (tmp_path / name).write_text(json.dumps({"title": name, "abstract": ABSTRACT}))
    found = find_files([tmp_path])
    assert [path.relative_to(tmp_path).as_posix() for path in found] == [
        "a.jsonl",
        "b.jsonl",
        "sub/a.jsonl",
    ]
    assert find_files([str(tmp_path / "*.jsonl"), tmp_path / "a.jsonl"])[0].name == "a.jsonl"
    papers, report = load_papers([tmp_path])
    assert {listing.file for paper in papers for listing in paper.listings} == {
        f"{tmp_path.name}/a.jsonl",
        "b.jsonl",
        "sub/a.jsonl",
    }
    with pytest.raises(NotFound):
        find_files([tmp_path / "*.csv"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFound, match="empty"):
        find_files([tmp_path / "empty"])


def test_nothing_taken_is_an_error_that_names_the_first_reason(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"title": "T"}\n')
    with pytest.raises(CorpusError, match=r"a\.jsonl.*line 1.*has no abstract"):
        load_papers([tmp_path / "a.jsonl"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_reported(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("{}")
    path.chmod(0)
    assert "cannot be read" in told(read_file(path, name="a.jsonl"))[0][1]
