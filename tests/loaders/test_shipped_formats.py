"""The formats that are mappings: a small file of each, made here, with what becomes of every one of its rows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from loaders.formats.registry import open_source
from loaders.mapping.document import FOLDER, shipped
from loaders.mapping.mapped_log import MappedLog
from loaders.schema.rows import Rejected
from tests.compiler import golden

GOLDEN = Path(__file__).with_name("formats.golden")
CASES = {case.title: case for case in golden.read(GOLDEN)}


def write_files(given: str, folder: Path) -> Path:
    """Write the files of a case; the first is the one to load."""
    parts = re.split(r"^--- (\S+)\n", given, flags=re.MULTILINE)[1:]
    files = [folder / name for name in parts[::2]]
    for file, content in zip(files, parts[1::2], strict=True):
        file.write_text(content.strip() + "\n", encoding="utf-8")
    return files[0]


def described(source: MappedLog) -> Iterator[str]:
    """What a source gives, a line each."""
    for record in source.events():
        kind = "rejected" if isinstance(record, Rejected) else "event"
        fields = {name: value for name, value in record._asdict().items() if value is not None}
        fields.pop("file", None)
        fields.pop("payload", None)
        yield f"{kind}: " + ", ".join(f"{name}={value}" for name, value in fields.items())
    for reason, count in source.left_out.items():
        yield f"left out: {count} × {reason}"
    for rows in (source.items(), source.users(), source.identities()):
        yield from (str(row) for row in rows)


def opened(name: str, path: Path) -> MappedLog:
    source = open_source(name, path)
    assert isinstance(source, MappedLog)
    return source


def test_every_shipped_format_has_a_case() -> None:
    assert sorted(CASES) == shipped()


@pytest.mark.parametrize("name", sorted(CASES))
def test_what_a_file_becomes(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    case.check("\n".join(described(opened(name, write_files(case.given, tmp_path)))))


def test_snowplow_lines_with_tabs_say_the_same_as_json(tmp_path: Path) -> None:
    path = write_files(CASES["snowplow"].given, tmp_path)
    header = yaml.safe_load((FOLDER / "snowplow.yml").read_text())["file"]["header"]
    assert len(header) == 131
    lines = [json.loads(line) for line in path.read_text().splitlines()[:2]]
    table = tmp_path / "enriched.tsv"
    table.write_text("".join("\t".join(line.get(name, "") for name in header) + "\n" for line in lines))
    whole = tmp_path / "first.jsonl"
    whole.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert list(described(opened("snowplow", table))) == list(described(opened("snowplow", whole)))


def test_ga4_in_parquet_says_the_same_as_json(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = write_files(CASES["ga4"].given, tmp_path)
    records = [json.loads(line) for line in path.read_text().splitlines()[:5]]
    names = dict.fromkeys(name for record in records for name in record)
    records = [{**dict.fromkeys(names), **record} for record in records]
    for record in records:
        record["event_timestamp"] = int(record["event_timestamp"])
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "events.parquet")
    path.write_text("".join(json.dumps(record) + "\n" for record in records))

    def values(source: MappedLog) -> list[tuple[object, ...]]:
        return [tuple(record) for record in source.events()]

    assert values(opened("ga4", tmp_path / "events.parquet")) == values(opened("ga4", path))


@pytest.mark.parametrize("name", ["movielens", "retailrocket"])
def test_a_folder_is_as_good_as_its_main_file(name: str, tmp_path: Path) -> None:
    path = write_files(CASES[name].given, tmp_path)
    assert list(described(opened(name, tmp_path))) == list(described(opened(name, path)))
