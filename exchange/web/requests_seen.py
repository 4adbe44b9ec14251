"""How many requests were there, and how long did they take?

Counted by endpoint, method and status, never by address. Under several processes each keeps its figures in a file of
the folder that PROMETHEUS_MULTIPROC_DIR names (the web server's configuration sets it), and whoever asks adds them up.
"""

from __future__ import annotations

import os
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
_BUCKETS: Final = (0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_own: Final = CollectorRegistry()
_seconds: Final = Histogram(
    "pbx_request_seconds",
    "Requests answered, and how long each took.",
    ["endpoint", "method", "status"],
    buckets=_BUCKETS,
    registry=_own,
)


_violations: Final = Counter(
    "pbx_csp_reports",
    "Reports of browsers that a page broke the content security policy; anybody can send one.",
    ["directive"],
    registry=_own,
)


def count(endpoint: str, method: str, status: int, seconds: float) -> None:
    """Note one request."""
    _seconds.labels(endpoint, method, str(status)).observe(seconds)


def count_violation(directive: str) -> None:
    """Note one report; ``directive`` is of a short list."""
    _violations.labels(directive).inc()


def text() -> str:
    """The figures of all web processes of this host, as Prometheus reads them."""
    if FOLDER not in os.environ:
        return generate_latest(_own).decode()
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library leaves it untyped
    return generate_latest(registry).decode()
