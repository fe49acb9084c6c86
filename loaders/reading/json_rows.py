"""JSON objects out of a text: one a line, or the elements of an array, however it is laid out."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, TextIO

from loaders.reading.text import CUT, KEPT, LONGEST, PIECE, damage, shown

# The beginning of an array of objects; any other first line is a line.
ARRAY = re.compile(r"\ufeff?\s*\[\s*([{\]]|$)")
OUTSIDE = re.compile(r'["\[\]{},\n]')
DEEPEST = 10_000
IN_STRING = re.compile(r'["\\\n]')


def is_array(head: str) -> bool:
    """Whether a text that begins so is an array of objects and not a line for each."""
    return ARRAY.match(head) is not None


def elements(text: TextIO, longest: int = LONGEST) -> Iterator[tuple[int, str]]:
    """Give the line and the text of each element of the arrays in a text, and of each line outside of them.

    A damaged element spoils no other where that can be told: a string ends with its line, an object has no object
    after a comma, and a bracket closes what was opened inside of it. At most `longest` characters of an element are kept. Raises EOFError where an array does not end.
    """
    split = _Splitter(longest)
    while piece := text.read(PIECE):
        yield from split.feed(piece)
    yield from split.end()
    if split.in_array:
        raise EOFError("its JSON array does not end")


class _Splitter:
    def __init__(self, longest: int) -> None:
        self.in_array = False
        self._longest = longest
        self._parts: list[str] = []
        self._size = 0
        self._open = bytearray()  # brackets of the element, outermost first
        self._deeper = 0  # more of them than are kept
        self._in_string = False
        self._last = ""
        self._skip = 0  # letters of the next piece that a backslash has taken
        self._line = self._began = 1

    def feed(self, piece: str) -> Iterator[tuple[int, str]]:
        begin, position, self._skip = 0, self._skip, 0
        while found := (IN_STRING if self._in_string else OUTSIDE).search(piece, position):
            position, sign = found.end(), found[0]
            if sign == "\\":
                position += 1
                self._skip = max(0, position - len(piece))
                continue
            if self._ends(sign):
                self._keep(piece[begin : found.start()])
                begin = found.start() if sign == "{" else position
                yield from self.end()
                if sign == "{":
                    self._open.extend(b"{")
            self._line += sign == "\n"
            self._last = self._last if sign == "\n" else sign
            if not self._parts and begin == position:
                self._began = self._line
        self._keep(piece[begin:])

    def _ends(self, sign: str) -> bool:
        """Take in one sign; tell whether an element ends before it."""
        if sign == "\n":
            was_open, self._in_string = self._in_string, False
            return was_open or not self.in_array
        if sign == '"':
            self._in_string = not self._in_string
        elif sign == ",":
            return self.in_array and not self._open
        elif sign == "[" and not self.in_array and not self._open:
            self.in_array = True
            return True
        elif sign in "[{":
            if sign == "{" and self._last == "," and self._open.endswith(b"{"):
                return True
            self._push(sign)
        else:
            return self._close(sign)
        return False

    def _push(self, sign: str) -> None:
        if len(self._open) < DEEPEST:
            self._open.extend(sign.encode())
        else:
            self._deeper += 1

    def _close(self, sign: str) -> bool:
        """Close what a bracket closes; tell whether that is the array itself."""
        if self._deeper:
            self._deeper -= 1
            return False
        opened = self._open.rfind(b"[" if sign == "]" else b"{")
        if opened >= 0:
            del self._open[opened:]
        elif sign == "]" and self.in_array:
            self.in_array = False
            return True
        return False

    def _keep(self, part: str) -> None:
        self._size += len(part)
        if self._size > self._longest:
            self._parts = ["".join(self._parts)[:KEPT] or part[:KEPT]]
        elif part:
            self._parts.append(part)

    def end(self) -> Iterator[tuple[int, str]]:
        """Give what is held, if there is something in it."""
        text = "".join(self._parts) + (CUT if self._size > self._longest else "")
        body = text.strip(" \t\r\n\ufeff")
        if body:
            yield self._began + text[: text.index(body)].count("\n"), body
        self._parts, self._size, self._began = [], 0, self._line
        self._open.clear()
        self._deeper = 0


def object_of(text: str) -> dict[str, Any]:
    """Read one JSON object. Raises ValueError with the reason why a text is none, or cannot be stored."""
    if reason := damage(text):
        raise ValueError(reason)
    try:
        found = json.loads(text, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at character {error.pos + 1}") from error
    except RecursionError as error:
        raise ValueError("JSON nested too deeply") from error
    except ValueError as error:
        raise (
            error if isinstance(error, _Reason) else ValueError("a number has more than 4,300 digits")
        ) from None
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 (a bad row, not a programming error)
    for value in found.values():
        if isinstance(value, str) and (reason := damage(value)):
            raise ValueError(reason)
    return found


class _Reason(ValueError):
    """What the hook of the reader refuses."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise _Reason(f"field {shown(twice)} stands twice")
    return found
