"""Query results as polars frames: by COPY on PostgreSQL, from the driver's rows on SQLite."""

from __future__ import annotations

import io
from collections.abc import Sequence

import polars as pl
from django.db import connection


def frame(sql: str, schema: dict[str, type[pl.DataType] | pl.DataType]) -> pl.DataFrame:
    """Run a SELECT whose values are all in its text and return its columns with the types given.

    Only for statements built from names and numbers of our own; never from what a person typed.
    """
    if connection.vendor == "postgresql":
        out = io.BytesIO()
        with (
            connection.cursor() as cursor,
            cursor.cursor.copy(f"COPY ({sql}) TO STDOUT (FORMAT csv, NULL '\\N')") as copy,
        ):
            for part in copy:
                out.write(part)
        if not out.tell():
            return pl.DataFrame(schema=schema)
        out.seek(0)
        booleans = [name for name, kind in schema.items() if kind == pl.Boolean]
        read = {name: pl.String if name in booleans else kind for name, kind in schema.items()}
        found = pl.read_csv(out, has_header=False, schema=read, null_values="\\N")
        return found.with_columns(pl.col(name) == "t" for name in booleans)
    with connection.cursor() as cursor:
        cursor.execute(sql)
        rows = cursor.fetchall()
    columns = zip(*rows, strict=True) if rows else ((),) * len(schema)
    return pl.DataFrame([_series(*each) for each in zip(schema, columns, schema.values(), strict=True)])


def _series(name: str, values: Sequence[object], kind: type[pl.DataType] | pl.DataType) -> pl.Series:
    # The driver returns a date column as dates, but an expression over dates as text.
    if kind == pl.Date and any(isinstance(value, str) for value in values):
        return pl.Series(name, values, dtype=pl.String, strict=False).str.to_date("%Y-%m-%d")
    return pl.Series(name, values, dtype=kind, strict=False)


def id_list(ids: Sequence[int]) -> str:
    """Return ids for an IN (…) list; "NULL" where there are none."""
    return ",".join(str(int(each)) for each in ids) or "NULL"
