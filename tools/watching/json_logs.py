"""Logs as JSON, one object a line, each with the id of the job that it is about."""

import json
import logging
import sys
from datetime import UTC, datetime

from .job_scope import current_job
from .tracing import trace_ids

FORMATS = ("text", "json")
EXTRA = ("kind", "status", "seconds")  # what ditpipe's own lines carry beside their message


class JsonFormatter(logging.Formatter):
    """time (UTC), level, logger, message; where there are any job, trace_id, span_id, error, and what `EXTRA` names."""

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"time": when, "level": record.levelname, "logger": record.name, "message": record.getMessage()}
        line |= {"job": job} if (job := current_job()) else {}
        line |= trace_ids()
        line |= {name: getattr(record, name) for name in EXTRA if hasattr(record, name)}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def log_json() -> None:
    """Every log line of this process to stderr as JSON: ditpipe's and the server's from INFO on, others' warnings."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for name in ("ditpipe", "uvicorn"):
        logging.getLogger(name).setLevel(logging.INFO)
