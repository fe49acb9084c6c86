"""Files that are damaged, or not what they say: each row is read or rejected with its reason, in bounded memory."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import re
import resource
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from loaders.formats.registry import open_source
from loaders.reading import csv_rows, text
from loaders.reading.json_rows import elements
from loaders.schema.errors import LoaderError
from loaders.schema.rows import Event, Rejected
from loaders.target.rejects import OTHER, REASONS, Rejects, RejectsFile
from tests.loaders.logs import fields

ROOT = Path(__file__).parents[2]
GOOD = [fields(number, search_query="søt") for number in range(3)]
LINES = [json.dumps(good, ensure_ascii=False) for good in GOOD]
HEADER = "event_id,event_type,occurred_at,search_query"
ROWS = [f"{good['event_id']},view_item,{good['occurred_at']},søt" for good in GOOD]


def read(name: str, path: Path) -> tuple[list[str], list[Rejected]]:
    """Ids of the events in order, and the rejected rows."""
    records = list(open_source(name, path).events())
    ids = sorted(record.event_id for record in records if isinstance(record, Event))
    return ids, [record for record in records if isinstance(record, Rejected)]


def put(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


IDS = ["e000000", "e000001", "e000002"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_unicode_and_every_line_end_is_read(tmp_path: Path, encoding: str, end: str) -> None:
    for name, lines in (("jsonl", LINES), ("csv", [HEADER, *ROWS])):
        path = put(tmp_path / f"log.{name}", (end.join(lines) + end).encode(encoding))
        assert read(name, path) == (IDS, [])
        (event, *_) = [each for each in open_source(name, path).events() if isinstance(each, Event)]
        assert event.search_query == "søt"


def test_a_mark_between_lines_is_passed_over(tmp_path: Path) -> None:
    assert read("jsonl", put(tmp_path / "two.jsonl", "\ufeff" + "\n\ufeff".join(LINES))) == (IDS, [])


def zipped(content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("log", content)
    return packed.getvalue()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zip": zipped,
}


@pytest.mark.parametrize("suffix", PACKERS)
def test_packed_files_are_known_by_their_content(tmp_path: Path, suffix: str) -> None:
    packed = PACKERS[suffix]("\n".join(LINES).encode("utf-16"))
    for name in (f"log{suffix}", "log.jsonl"):
        assert read("jsonl", put(tmp_path / name, packed)) == (IDS, [])


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("kept", [3, 0.5, 0.98])
def test_a_packed_file_that_breaks_off_is_told_and_read_so_far(
    tmp_path: Path, suffix: str, kept: float
) -> None:
    content = "\n".join(json.dumps(fields(number, referrer=f"{number**9}")) for number in range(4_000))
    packed = PACKERS[suffix](content.encode())
    path = put(tmp_path / f"log{suffix}", packed[: int(kept if kept > 1 else kept * len(packed))])
    _, rejected = read("jsonl", path)
    assert "the file is damaged" in rejected[-1].reason


def test_an_archive_of_several_files_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "log.zip", "w") as archive:
        for name in ("a", "b"):
            archive.writestr(name, "")
    with pytest.raises(LoaderError, match="holds 2 files .* load each"):
        read("jsonl", tmp_path / "log.zip")


@pytest.mark.parametrize("name", ["jsonl", "csv", "rees46", "rsc15", "taobao", "uci_eshop"])
def test_an_empty_file_has_no_rows(tmp_path: Path, name: str) -> None:
    path = put(tmp_path / "empty", "")
    assert read(name, path) == ([], [])
    assert list(open_source(name, path).items()) == []


def test_a_header_alone_has_no_rows(tmp_path: Path) -> None:
    assert read("csv", put(tmp_path / "head.csv", HEADER + "\n")) == ([], [])


DEEP = "[" * 200_000


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (DEEP, "JSON nested too deeply"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "JSON nested too deeply"),
        ('{"event_id": ' + "[" * 900 + "]" * 900 + "}", "unknown field|must be text|is missing"),
        ("17", "not a JSON object"),
        ('"text"', "not a JSON object"),
        ("null", "not a JSON object"),
        ('["a"]', "not a JSON object"),
        ('{"event_id": "a", "event_id": "b"}', "field 'event_id' stands twice"),
        (json.dumps(fields(0, price=float("nan"))), "price must be a finite number, not nan"),
        (json.dumps(fields(0, dwell_seconds=float("-inf"))), "dwell_seconds must be a finite number"),
        (json.dumps(fields(0, quantity=1)).replace(": 1}", ": 1" + "0" * 3_000 + "}"), "whole number of 32"),
        (json.dumps(fields(0, price=1)).replace(": 1}", ": 1" + "0" * 9_000 + "}"), "4,300 digits"),
        (json.dumps(fields(0, item_id="\ud800")), "not UTF-8"),
        (json.dumps(fields(0, item_id="x")).replace("x", "\x00"), "NUL"),
        (json.dumps(fields(0, **{"\ud800": 1})), "unknown field"),
        (json.dumps(fields(0))[:-9], "not JSON: .* at character"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else None,
)
def test_a_line_that_is_no_event_is_rejected_alone(tmp_path: Path, line: str, words: str) -> None:
    path = put(tmp_path / "log.jsonl", "\n".join([LINES[0], line, *LINES[1:]]))
    ids, (row,) = read("jsonl", path)
    assert ids == IDS
    assert row.line == 2
    assert len(row.reason) < 600
    assert row.payload == text.printable(line)
    assert re.search(words, row.reason)


def test_a_value_is_cut_and_its_column_named(tmp_path: Path) -> None:
    path = put(tmp_path / "log.jsonl", json.dumps(fields(0, quantity="many" * 10_000)))
    _, (row,) = read("jsonl", path)
    assert row.column == "quantity"
    assert len(row.reason) < 200


def test_latin_1_is_rejected_with_the_byte_and_the_remedy(tmp_path: Path) -> None:
    latin = "\n".join([HEADER, ROWS[0], ROWS[1].replace("søt", "plain")]).encode("latin-1")
    ids, (row,) = read("csv", put(tmp_path / "log.csv", latin))
    assert ids == ["e000001"]
    assert (row.line, "byte 0xF8" in row.reason, "iconv" in row.reason) == (2, True, True)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ('x,view_item,2026-03-01T12:00:00Z,"open', "not CSV"),
        ('x,"view_item,2026-03-01T12:00:00Z,s', "not CSV"),
        ("x,view_item,2026-03-01T12:00:00Z,a,b,c", "6 fields where the header has 4"),
        ("x", "1 fields where the header has 4"),
        ("x,view_item,\x00,s", "NUL"),
        ("x,view_item,2026-03-01," + "y" * 200_000, "no time zone"),
    ],
    ids=["open", "early", "many", "few", "nul", "long"],
)
def test_a_csv_row_that_is_damaged_spoils_no_other(tmp_path: Path, bad: str, words: str) -> None:
    ids, (row,) = read("csv", put(tmp_path / "log.csv", "\n".join([HEADER, ROWS[0], bad, *ROWS[1:]])))
    assert ids == IDS
    assert (row.line, row.payload) == (3, text.printable(bad))
    assert words in row.reason


def test_a_quotation_mark_that_nobody_closes_swallows_no_more_than_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_rows, "LONGEST_RECORD", 1_000)
    many = [f"e{number},view_item,2026-03-01T12:00:00Z,s" for number in range(300)]
    many[7] = 'x,view_item,2026-03-01T12:00:00Z,"open'
    ids, (row,) = read("csv", put(tmp_path / "log.csv", "\n".join([HEADER, *many])))
    assert (len(ids), row.line) == (299, 9)


LAYOUTS = {
    "one line": json.dumps(GOOD),
    "pretty": json.dumps(GOOD, indent=2),
    "a line each": "[\n" + ",\n".join(LINES) + "\n]\n",
    "a trailing comma": "[" + ",".join(LINES) + ",]",
    "marked": "\ufeff " + json.dumps(GOOD, indent="\t"),
    "several": f"[{LINES[0]}]\n[{LINES[1]}, {LINES[2]}]",
    "then lines": f"[{LINES[0]}]\n{LINES[1]}\n{LINES[2]}",
    "brackets in strings": json.dumps([good | {"referrer": 'a"]}[{\\'} for good in GOOD]),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("piece", [1, 7, 65_536])
def test_a_json_array_is_read_however_it_is_laid_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str, piece: int
) -> None:
    monkeypatch.setattr("loaders.reading.json_rows.PIECE", piece)
    assert read("jsonl", put(tmp_path / "log.json", LAYOUTS[layout])) == (IDS, [])


def test_an_element_that_is_damaged_spoils_no_other(tmp_path: Path) -> None:
    bad = ['{"event_id": "open}', "17", "nonsense", '{"event_id": "x"', "{[1}", "}", "[[1]]"]
    between = ",\n".join([LINES[0], *bad, *LINES[1:]])
    ids, rows = read("jsonl", put(tmp_path / "log.json", f"[\n{between}\n]"))
    assert ids == IDS
    assert [row.line for row in rows] == [3, 4, 5, 6, 7, 8, 9]


def test_an_array_that_breaks_off_is_told(tmp_path: Path) -> None:
    ids, rows = read("jsonl", put(tmp_path / "log.json", "[" + ",".join(LINES)[:-20]))
    assert ids == IDS[:2]
    assert ["not JSON" in rows[0].reason, "array does not end" in rows[1].reason] == [True, True]


def test_a_long_element_is_cut(tmp_path: Path) -> None:
    given = io.StringIO('[{"a": 1}, {"b": "' + "x" * 5_000 + '"}, {"c": 2}]')
    first, long, last = elements(given, longest=100)
    assert (first, last) == ((1, '{"a": 1}'), (1, '{"c": 2}'))
    assert "longer" in (text.damage(long[1]) or "")


LIMIT = 500 * 1024 * 1024
READ_IN_BOUNDS = """
import resource, sys
from pathlib import Path
from loaders.formats.registry import open_source
from loaders.schema.rows import Event
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[3]), int(sys.argv[3])))
for record in open_source(sys.argv[1], Path(sys.argv[2])).events():
    print(record.event_id if isinstance(record, Event) else record.reason[:60], getattr(record, "line", ""))
"""


@pytest.mark.parametrize("name", ["jsonl", "csv", "taobao", "array"])
def test_a_line_of_700_mb_is_passed_over_in_bounded_memory(tmp_path: Path, name: str) -> None:
    before, after = (HEADER, ROWS[0]) if name == "csv" else (LINES[0], LINES[1])
    if name == "array":
        before, after = f"[{LINES[0]},", f", {LINES[1]}]"
    long = gzip.compress(b"x" * 70 * 1024 * 1024, compresslevel=1) * 10  # members of one file
    put(
        tmp_path / "log.gz",
        gzip.compress(f"{before}\n".encode()) + long + gzip.compress(f"\n{after}\n".encode()),
    )
    done = subprocess.run(
        [sys.executable, "-c", READ_IN_BOUNDS, "jsonl" if name == "array" else name, str(tmp_path / "log.gz"), str(LIMIT)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2_000:]
    said = done.stdout.splitlines()
    assert any(line.startswith("the row is longer than 16,777,216") and line.endswith(" 2") for line in said)
    assert ("e000001 " in said) == (name in {"jsonl", "array"})


def test_rejects_are_counted_in_bounded_memory() -> None:
    rejects = Rejects()
    for number in range(REASONS + 500):
        rejects.add(Rejected("log", number, f"reason {number}", "x" * 1_000))
    assert (rejects.count, len(rejects.reasons), rejects.reasons[OTHER]) == (REASONS + 500, REASONS + 1, 500)
    assert not any(row.payload for row in rejects.first.values())


def test_a_rejects_file_has_whole_lines_when_there_is_no_room(tmp_path: Path) -> None:
    path = tmp_path / "rejects.jsonl"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
        with (
            pytest.raises(LoaderError, match="rejected rows cannot be written"),
            RejectsFile(path) as rejects,
        ):
            for number in range(1_000):
                rejects.add(Rejected("log", number, "bad", "x" * 700))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    kept = path.read_text().splitlines()
    assert 5 < len(kept) < 20
    assert [json.loads(line)["line"] for line in kept] == list(range(len(kept)))
