"""From bytes to columns of text: any common encoding and delimiter, in blocks, with true line numbers."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, cast

import numpy as np
import polars as pl

BLOCK_BYTES = 8 * 1024 * 1024
MAX_LINE_BYTES = 1024 * 1024
MAX_COLUMNS = 200
MAX_EXPANSION = 200  # times the compressed size; attendance packs about thirtyfold
LINE = "_line"  # no header is written so
DELIMITERS = (",", ";", "\t", "|")


class UnreadableFile(ValueError):
    """The file as a whole cannot be read; the message says why and what to do about it."""


@dataclass
class Layout:
    """What the first lines tell of a file, and what was noticed on the way."""

    delimiter: str
    header: list[str]
    notices: list[str] = field(default_factory=list)


@dataclass
class Block:
    """Some rows: every column as text, empty where nothing stood, `line` where the row begins.

    `ragged`: (line, number of fields) of rows whose fields do not match the header; not in `frame`.
    """

    frame: pl.DataFrame
    ragged: list[tuple[int, int]]
    bytes_read: int


def normalized(name: str) -> str:
    """Return a header without case, spaces, underscores and the like."""
    return "".join(ch for ch in name.lower() if ch.isalnum())


class _Bounded(io.RawIOBase):
    """A gzip stream that refuses to grow out of all proportion."""

    def __init__(self, file: IO[bytes], compressed: int) -> None:
        self.inner = gzip.GzipFile(fileobj=file)
        self.left = max(compressed, 1024 * 1024) * MAX_EXPANSION

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        try:
            data = self.inner.read(len(buffer))
        except (OSError, EOFError, zlib.error) as error:
            raise UnreadableFile(f"the .gz file is damaged ({error}); compress it again") from error
        self.left -= len(data)
        if self.left < 0:
            raise UnreadableFile(
                f"the .gz file unpacks to more than {MAX_EXPANSION} times its size; upload it unpacked"
            )
        buffer[: len(data)] = data
        return len(data)


def open_stream(file: IO[bytes], name: str, size: int) -> IO[bytes]:
    """Return the plain bytes of a .csv or .csv.gz file.

    Raises:
        UnreadableFile: an Excel, zip, PDF or UTF-16 file, or an empty one.
    """
    start = file.read(4)
    file.seek(0)
    if start[:2] == b"\x1f\x8b":
        unpacked = io.BufferedReader(cast(io.RawIOBase, _Bounded(file, size)), BLOCK_BYTES)
        file, start = cast(IO[bytes], unpacked), unpacked.peek(4)[:4]
    kinds = {
        b"PK\x03\x04": "an Excel workbook or zip archive",
        b"\xd0\xcf\x11\xe0": "an old Excel workbook",
        b"%PDF": "a PDF",
    }
    for magic, what in kinds.items():
        if start.startswith(magic):
            raise UnreadableFile(f"{name} is {what}, not text; export or save it as CSV (UTF-8)")
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise UnreadableFile(f"{name} is encoded in UTF-16; save it as CSV (UTF-8)")
    if not start:
        raise UnreadableFile(f"{name} is empty")
    return file


def blocks(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield the file in blocks that end at the end of a row (a line break outside quotes).

    Raises:
        UnreadableFile: a row longer than MAX_LINE_BYTES, or NUL bytes (binary data).
    """
    rest = b""
    line = 1
    while True:
        data = stream.read(BLOCK_BYTES)
        if b"\0" in data:
            at = line + rest.count(b"\n") + data[: data.index(b"\0")].count(b"\n")
            raise UnreadableFile(
                f"line {at} holds a NUL byte: the file is binary or damaged; export it again"
            )
        if not data:
            if rest:
                yield _plain_newlines(rest)
            return
        data = rest + data
        cut = _last_row_end(data)
        if len(data) - cut > MAX_LINE_BYTES:
            at = line + data[:cut].count(b"\n")
            raise UnreadableFile(
                f"the row that begins on line {at} is longer than {MAX_LINE_BYTES // 1024} kB; "
                "a quotation mark that is never closed, or no CSV file"
            )
        rest = data[cut:]
        if cut:
            line += data[:cut].count(b"\n")
            yield _plain_newlines(data[:cut])


def _last_row_end(data: bytes) -> int:
    """Return the position after the last line break that stands outside quotes; 0 where there is none."""
    if b'"' not in data:
        return max(data.rfind(b"\n"), data[:-1].rfind(b"\r") if b"\n" not in data else -1) + 1
    array = np.frombuffer(data, dtype=np.uint8)
    quotes = np.flatnonzero(array == ord('"'))
    breaks = np.flatnonzero(array == ord("\n"))
    outside = breaks[np.searchsorted(quotes, breaks) % 2 == 0]
    return int(outside[-1]) + 1 if len(outside) else 0


def _plain_newlines(data: bytes) -> bytes:
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return data


def decode(data: bytes, notices: list[str]) -> str:
    """Return text from UTF-8, or from cp1252 with a notice."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        notice = "The file is not UTF-8; it was read as Windows-1252. Check names with accents."
        if notice not in notices:
            notices.append(notice)
        return data.decode("cp1252", errors="replace")


def layout_of(text: str, notices: list[str]) -> Layout:
    """Return delimiter and header from the first block."""
    first = text.lstrip("\n").split("\n", 1)[0]
    counts = {delimiter: first.count(delimiter) for delimiter in DELIMITERS}
    delimiter = max(DELIMITERS, key=lambda each: counts[each])
    if not first.strip():
        raise UnreadableFile("the file has no header line")
    header = [name.strip() for name in next(csv.reader([first], delimiter=delimiter))]
    if len(header) > MAX_COLUMNS:
        raise UnreadableFile(f"the header names {len(header)} columns, more than {MAX_COLUMNS}")
    while header and not header[-1]:  # a trailing delimiter names nothing
        header.pop()
    seen: dict[str, str] = {}
    for name in header:
        key = normalized(name)
        if key in seen and key:
            raise UnreadableFile(f"the header names '{name}' twice; rename or remove one of the columns")
        seen[key] = name
    if delimiter != ",":
        notices.append(f"Columns are separated by {'tabs' if delimiter == chr(9) else repr(delimiter)}.")
    return Layout(delimiter, header, notices)


def read(stream: IO[bytes]) -> tuple[Layout, Iterator[Block]]:
    """Return the layout and, lazily, the rows in blocks of about 8 MB."""
    notices: list[str] = []
    source = blocks(stream)
    try:
        first = next(source)
    except StopIteration:
        raise UnreadableFile("the file is empty") from None
    text = decode(first, notices)
    leading = len(text) - len(text.lstrip("\n"))
    layout = layout_of(text, notices)
    body = text[leading:].split("\n", 1)
    rest = body[1] if len(body) > 1 else ""

    def rows() -> Iterator[Block]:
        line = 2 + leading
        if rest:
            yield _block(rest, layout, line, len(first))
            line += rest.count("\n") + (not rest.endswith("\n"))
        for data in source:
            piece = decode(data, notices)
            yield _block(piece, layout, line, len(data))
            line += piece.count("\n") + (not piece.endswith("\n"))

    return layout, rows()


def _block(text: str, layout: Layout, line: int, size: int) -> Block:
    frame = _clean(text, layout, line)
    if frame is not None:
        return Block(frame, [], size)
    return _careful(text, layout, line, size)


def _clean(text: str, layout: Layout, line: int) -> pl.DataFrame | None:
    """Parse with polars where nothing can go wrong: no quotes, no blank lines, the right field count."""
    width = len(layout.header)
    count = text.count("\n") + (not text.endswith("\n"))
    if width < 2 or '"' in text or "\n\n" in text or text.startswith("\n"):
        return None
    if text.count(layout.delimiter) != count * (width - 1):
        return None
    try:
        frame = pl.read_csv(
            text.encode(),
            has_header=False,
            separator=layout.delimiter,
            quote_char=None,
            infer_schema=False,
            new_columns=layout.header,
        )
    except pl.exceptions.PolarsError:
        return None
    if frame.height != count or frame.width != width:
        return None
    return frame.with_columns(
        pl.col(pl.String).fill_null("").str.strip_chars(),
        pl.int_range(line, line + count, dtype=pl.Int64).alias(LINE),
    )


def _careful(text: str, layout: Layout, line: int, size: int) -> Block:
    """Parse with the csv module: quotes, blank lines and ragged rows, each with the line it begins on."""
    width = len(layout.header)
    columns: list[list[str]] = [[] for _ in range(width)]
    lines: list[int] = []
    ragged: list[tuple[int, int]] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=layout.delimiter)
    before = 0
    for fields in reader:
        begins, before = line + before, reader.line_num
        if not any(value.strip() for value in fields):
            continue
        while len(fields) > width and not fields[-1].strip():
            fields.pop()
        if len(fields) != width:
            ragged.append((begins, len(fields)))
            continue
        for column, value in zip(columns, fields, strict=True):
            column.append(value.strip())
        lines.append(begins)
    frame = pl.DataFrame(
        {
            name: pl.Series(name, column, dtype=pl.String)
            for name, column in zip(layout.header, columns, strict=True)
        }
    ).with_columns(pl.Series(LINE, lines, dtype=pl.Int64))
    return Block(frame, ragged, size)


csv.field_size_limit(MAX_LINE_BYTES * 2)
