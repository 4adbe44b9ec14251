"""How far is it with what is added up in the background, for whoever asked for it on a page?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from flask import Response, make_response, request

from enrollment import reckoning_jobs, reckonings
from enrollment.models import EnrollmentWindow
from enrollment.reckonings import Reckoning, ReckoningKind
from exchange.scheduler import records
from exchange.scheduler.telling import Telling

AGAIN_AFTER: Final = 5
"""Seconds after which a page that is followed is asked for again."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The last one that is done, the one that is awaited, and how far that is; None where there is none."""

    done: Reckoning | None
    awaited: Reckoning | None
    progress: Telling | str | None
    error: str | None
    follows: bool
    again_after: int = AGAIN_AFTER


def asked(window: EnrollmentWindow, kind: ReckoningKind) -> Asked | None:
    """What there is; None in a small exchange where nobody has asked: there the page adds up by itself."""
    done, awaited = reckonings.newest(window, kind), reckonings.awaited(window, kind)
    if done is None and awaited is None and reckonings.is_small():
        return None
    run = records.latest(reckoning_jobs.RECKON, str(awaited.id)) if awaited is not None else None
    return Asked(
        done,
        awaited,
        progress=run.result if run else None,
        error=run.error if run else None,
        follows=awaited is not None and request.args.get("follow") == "1",
    )


def answer(page: str, asked: Asked | None) -> Response:
    """The page; while it is followed, the browser asks for it again by itself."""
    response = make_response(page)
    if asked is not None and asked.follows:
        response.headers["Refresh"] = str(AGAIN_AFTER)
    return response
