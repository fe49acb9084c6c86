"""Good logs whose bytes were changed at random: every run ends, and every row is there or rejected with a reason."""

from __future__ import annotations

import bz2
import gzip
import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from loaders.commands.load import load
from tests.loaders.logs import fields

SEEDS = 200
SOME = [fields(number, search_query='søt, "rød"\nhatt', price=number / 2) for number in range(25)]
NAMES = list(SOME[0])


def as_csv() -> bytes:
    quoted = [[str(event[name]).replace('"', '""') for name in NAMES] for event in SOME]
    rows = [",".join(f'"{value}"' for value in row) for row in quoted]
    return "\r\n".join([",".join(NAMES), *rows, ""]).encode()


def as_taobao() -> bytes:
    return "".join(f"{n % 5},{n % 7},{n % 3},pv,{1_511_544_070 + n}\n" for n in range(25)).encode()


def as_rees46() -> bytes:
    head = "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session"
    rows = [f"2019-10-01 00:00:{n:02} UTC,view,{n % 7},9,a.b,brand,3.5,{n % 5},s{n % 5}" for n in range(25)]
    return "\n".join([head, *rows]).encode()


LOGS: list[tuple[str, bytes]] = [
    ("jsonl", "\n".join(json.dumps(event, ensure_ascii=False) for event in SOME).encode()),
    ("jsonl", json.dumps(SOME, indent=1).encode()),
    ("jsonl", "\n".join(map(json.dumps, SOME)).encode("utf-16")),
    ("csv", as_csv()),
    ("csv", as_csv().decode().encode("utf-16-le")),
    ("taobao", as_taobao()),
    ("rees46", as_rees46()),
]
PACK: list[Callable[[bytes], bytes]] = [bytes, bytes, gzip.compress, bz2.compress]
NASTY = [
    b"\x00",
    b"\xff",
    b'"',
    b"\n",
    b"\r",
    b"[",
    b"{" * 2_000,
    b"\\",
    b",",
    b"\xef\xbb\xbf",
    b"9" * 5_000,
    b"NaN",
]


def change(content: bytes, chance: random.Random) -> bytes:
    """Change, insert, remove, repeat or cut off a few bytes."""
    changed = bytearray(content)
    for _ in range(chance.choice([1, 1, 2, 5, 30])):
        at, length = chance.randrange(len(changed) + 1), chance.choice([1, 1, 3, 40])
        kind = chance.randrange(6)
        if kind == 0:
            changed[at : at + length] = chance.randbytes(length)
        elif kind == 1:
            changed[at:at] = chance.choice(NASTY)
        elif kind == 2:
            del changed[at : at + length]
        elif kind == 3:
            changed[at:at] = changed[at : at + 300]
        elif kind == 4 and changed:
            changed[at % len(changed)] ^= 1 << chance.randrange(8)
        elif chance.random() < 0.2:
            del changed[at:]
    return bytes(changed)


@pytest.mark.parametrize("part", range(4))
def test_any_damage_leaves_every_row_there_or_rejected(
    plain_dsn: str, plain_owner: psycopg.Connection, tmp_path: Path, part: int
) -> None:
    statuses = set()
    for seed in range(part, SEEDS, 4):
        chance = random.Random(seed)
        name, content = chance.choice(LOGS)
        pack = chance.choice(PACK)
        packed = pack(content)
        path = tmp_path / f"log{seed}"
        path.write_bytes(change(packed, chance) if chance.random() < 0.5 else pack(change(content, chance)))
        rejects = tmp_path / f"rejects{seed}.jsonl"
        arguments = [
            name,
            str(path),
            "--dsn",
            plain_dsn,
            "--rejects",
            str(rejects),
            "--json",
            "--no-progress",
        ]
        result = CliRunner().invoke(load, arguments)
        said = f"seed {seed}, {name}: {result.output[-300:]} {result.exception!r}"
        assert result.exception is None or isinstance(result.exception, SystemExit), said
        assert result.exit_code in {0, 1, 2}, said
        statuses.add(result.exit_code)
        if result.exit_code == 1:
            assert result.output.startswith("Error: "), said
            continue
        told = json.loads(result.stdout)
        assert told["read"] == told["sent"] + told["already_there"] + told["rejected"], said
        assert (told["sent"] + told["already_there"] > 0) or told["rejected"] == 0 or result.exit_code == 2, (
            said
        )
        kept = [json.loads(line) for line in rejects.read_text().split("\n")[:-1]] if rejects.exists() else []
        assert len(kept) == told["rejected"], said
        assert all(row["reason"] and row["file"] == str(path) for row in kept), said
        plain_owner.execute("delete from events")
    assert {0, 2} <= statuses


READ_ALL = """
import resource, sys
from pathlib import Path
from loaders.schema.errors import LoaderError
from loaders.formats.registry import open_source
resource.setrlimit(resource.RLIMIT_AS, (600 << 20, 600 << 20))
for path in sys.argv[2:]:
    try:
        sum(1 for _ in open_source(sys.argv[1], Path(path)).events())
    except LoaderError:
        pass
"""


@pytest.mark.parametrize("name", ["jsonl", "csv"])
def test_noise_is_read_in_bounded_memory(tmp_path: Path, name: str) -> None:
    chance = random.Random(7)
    paths = []
    for number, letters in enumerate(['"\n,', "[]{}\n", '[{",:}]', "\x00\n", "\r\n,a", '[{"a":1,']):
        path = tmp_path / f"noise{number}"
        head = "event_id,event_type,occurred_at\n" if name == "csv" else ""
        path.write_text(head + "".join(chance.choices(letters, k=400_000)))
        paths.append(str(path))
    done = subprocess.run(
        [sys.executable, "-c", READ_ALL, name, *paths],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2_000:]
