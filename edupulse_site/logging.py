"""Logs as one JSON object a line."""

from __future__ import annotations

import datetime as dt
import json
import logging

# What every LogRecord has of its own; whatever else it carries was given as `extra`.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """Format a record as JSON with time, level, logger, message, request id and whatever `extra` held."""

    def format(self, record: logging.LogRecord) -> str:
        from edupulse_site.requests import request_id

        line: dict[str, object] = {
            "at": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if current := request_id.get():
            line["request_id"] = current
        line |= {
            name: value
            for name, value in vars(record).items()
            if name not in _STANDARD and isinstance(value, str | int | float | bool | None)
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line)
