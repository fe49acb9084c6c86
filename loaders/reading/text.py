"""Text files as lines: unpacked, decoded by what they begin with, and never more of a line in memory than a bound."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import reprlib
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO, TextIO

from loaders.schema.errors import LoaderError

LONGEST = 16 * 1024 * 1024
"""Characters of a line that are read; of a longer one only the first are kept, to show where it is."""
KEPT = 1_000
PIECE = 64 * 1024
CUT = "\udbff\udbff"
"""Stands where a line was cut: no text has it, so that `damage` finds it."""
# What a stored file that breaks off, or was changed after it was packed, raises while it is read.
BROKEN = (EOFError, OSError, UnicodeDecodeError, lzma.LZMAError, zipfile.BadZipFile, zlib.error)
PACKERS: tuple[tuple[bytes, str, Callable[..., Any]], ...] = (
    (b"\x1f\x8b", ".gz", gzip.open),
    (b"BZh", ".bz2", bz2.open),
    (b"\xfd7zXZ\x00", ".xz", lzma.open),
)
SHORT = reprlib.Repr()
SHORT.maxstring = SHORT.maxlong = SHORT.maxother = 80
ZIP = b"PK\x03\x04"
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def open_text(stored: BinaryIO, path: Path) -> io.TextIOWrapper:
    """Unpack a stored file (gzip, bzip2, xz, or zip with one file in it) and decode it.

    A byte order mark, or every other byte being zero, says which Unicode it is; otherwise it is UTF-8, in which bytes
    that are none become lone surrogates. Raises LoaderError for an archive of several files, and one of BROKEN.
    """
    unpacked: io.BufferedReader[Any] = io.BufferedReader(_unpack(stored, path), PIECE)
    encoding = encoding_of(unpacked.peek(PIECE)[:PIECE])
    errors = "surrogateescape" if encoding.startswith("utf-8") else "surrogatepass"
    return io.TextIOWrapper(unpacked, encoding=encoding, errors=errors, newline="")


def head_of(text: io.TextIOWrapper) -> str:
    """Give what a text begins with; it is still to be read."""
    assert isinstance(text.buffer, io.BufferedReader)
    return text.buffer.peek(PIECE)[:PIECE].decode(text.encoding, "replace")


def encoding_of(head: bytes) -> str:
    """Name the encoding of a text by its first bytes."""
    for mark, encoding in MARKS:
        if head.startswith(mark):
            return encoding
    even, odd = head[0::2].count(0), head[1::2].count(0)
    half = len(head) // 2
    if half and max(even, odd) > 0.3 * half and min(even, odd) < 0.05 * half:
        return "utf-16-le" if odd > even else "utf-16-be"
    return "utf-8"


def lines_of(text: TextIO, longest: int = LONGEST) -> Iterator[str]:
    """Give lines with their ends; one that is longer than the bound is cut, marked, and the rest of it passed over."""
    while line := text.readline(longest):
        if len(line) < longest or line[-1] in "\r\n":
            yield line
            continue
        while (more := text.readline(PIECE)) and more[-1] not in "\r\n":
            pass
        yield line[:KEPT] + CUT + "\n"


def damage(text: str) -> str | None:
    """Say why a text cannot be stored as it is, or None if it can."""
    if "\x00" in text:
        return "the row contains a NUL character, which no text column can hold"
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        found = ord(text[error.start])
        if CUT in text:
            return f"the row is longer than {LONGEST:,} characters; the rest of it was skipped"
        if 0xDC80 <= found <= 0xDCFF:
            return (
                f"the row is not UTF-8 (byte 0x{found - 0xDC00:02X} at character {error.start + 1}); convert the file, "
                "such as iconv -f latin1 -t utf-8"
            )
        return f"the row is not Unicode (half a surrogate pair at character {error.start + 1}), so not UTF-8"
    return None


def printable(text: str) -> str:
    """Give a damaged row as text that can be written: undecodable bytes and NULs become backslash escapes."""
    shown = text.replace(CUT, "…").replace("\x00", "\\x00")
    return shown.encode("utf-8", "backslashreplace").decode("utf-8")


def shown(value: object) -> str:
    """Write a value for a message, cut where it is long or deep."""
    return SHORT.repr(value)


def _unpack(stored: BinaryIO, path: Path) -> Any:
    head = stored.read(6)
    stored.seek(0)
    for magic, suffix, opener in PACKERS:
        if head.startswith(magic) or (head and path.suffix == suffix):
            return opener(stored)
    if head.startswith(ZIP) or (head and path.suffix == ".zip"):
        return _unzip(stored, path)
    return stored


def _unzip(stored: BinaryIO, path: Path) -> IO[bytes]:
    archive = zipfile.ZipFile(stored)
    files = [entry for entry in archive.infolist() if not entry.is_dir()]
    if len(files) != 1:
        raise LoaderError(
            f"{path} holds {len(files)} files and a log is one: unpack it and load each, or pack the one"
        )
    try:
        return archive.open(files[0])
    except (NotImplementedError, RuntimeError) as error:  # another packing method, a password
        raise LoaderError(f"{path} cannot be unpacked ({error}): unpack it, or pack it with gzip") from error
