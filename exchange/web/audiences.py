"""Which pages are for whom, and what does each audience find in its navigation?

Every page lives in an ``AudienceBlueprint`` and inherits that audience's guard. A regulator's pages
only read: a view that writes there has to say so with ``@decision``, or the program does not start.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from flask import Blueprint, Flask, current_app, request
from flask.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue
from flask_babel import LazyString

from exchange.identity import access
from exchange.identity.actors import Audience
from exchange.web.sparing import address_of

READING = frozenset({"GET", "HEAD", "OPTIONS"})
ROW = f"int(max={2**63 - 1})"
"""The converter of a row's id in an address: a number that no database can count is no number of ours."""
_EXTENSION = "navigation"
_PLACES = "navigation_places"
V = TypeVar("V", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class NavEntry:
    """One line of an audience's navigation, in ascending ``order``."""

    order: int
    endpoint: str
    label: str | LazyString = field(compare=False)


@dataclass(frozen=True, slots=True)
class NavLink:
    """A navigation entry as the present page shows it; ``current`` is the value of aria-current."""

    url: str
    label: str
    current: str | None


def decision(view: V) -> V:
    """Mark a view as a regulator's decision: the only kind of regulator's page that may write."""
    view.__dict__["is_decision"] = True
    return view


def repeatable(*keys: str) -> Callable[[V], V]:
    """Let ``keys`` stand several times in the query of a view (check boxes); all others stand once."""

    def mark(view: V) -> V:
        view.__dict__["repeatable_keys"] = frozenset(keys)
        return view

    return mark


class AudienceBlueprint(Blueprint):
    """A blueprint whose every page is for one audience."""

    def __init__(self, name: str, import_name: str, audience: Audience, url_prefix: str | None) -> None:
        super().__init__(name, import_name, url_prefix=url_prefix)
        self.audience = audience
        self.before_request(self._guard)

    def _guard(self) -> ResponseReturnValue | None:
        return access.require(self.audience)

    def add_url_rule(
        self,
        rule: str,
        endpoint: str | None = None,
        view_func: Callable[..., Any] | None = None,
        provide_automatic_options: bool | None = None,
        **options: Any,
    ) -> None:
        """As Flask's, but a regulator's page that writes without being a ``@decision`` is refused at once."""
        methods = {
            method.upper() for method in options.get("methods") or getattr(view_func, "methods", None) or ("GET",)
        }
        if self.audience is Audience.REGULATOR and not methods <= READING:
            assert getattr(view_func, "is_decision", False), (
                f"{rule}: the regulator's pages only read, but for decisions"
            )
        super().add_url_rule(rule, endpoint, view_func, provide_automatic_options, **options)

    def add_to_nav(self, endpoint: str, label: str | LazyString, *, order: int) -> None:
        """Offer the page ``endpoint`` (``"home"``, of this blueprint) to everybody of the audience."""

        def enter(state: BlueprintSetupState) -> None:
            entries = state.app.extensions.setdefault(_EXTENSION, {}).setdefault(self.audience, [])
            entries.append(NavEntry(order, f"{self.name}.{endpoint}", label))
            entries.sort(key=lambda entry: (entry.order, entry.endpoint))

        self.record_once(enter)


def audience_blueprint(
    name: str, import_name: str, audience: Audience, url_prefix: str | None = None
) -> AudienceBlueprint:
    """The blueprint for pages of one ``audience``."""
    return AudienceBlueprint(name, import_name, audience, url_prefix)


def audience_of(app: Flask, endpoint: str | None) -> Audience | None:
    """For whom the page behind ``endpoint`` is; None for what is no page (static files, the API)."""
    blueprint = app.blueprints.get((endpoint or "").rpartition(".")[0])
    return blueprint.audience if isinstance(blueprint, AudienceBlueprint) else None


def navigation(audience: Audience) -> list[NavLink]:
    """The audience's navigation; the present page is marked ``page``, the section it stands in ``true``."""
    links = zip(_entries(audience), present_in_navigation(audience), strict=True)
    return [NavLink(address_of(entry.endpoint), str(entry.label), current) for entry, current in links]


def present_in_navigation(audience: Audience) -> tuple[str | None, ...]:
    """For each entry of the audience's navigation its mark: all that differs there from page to page."""
    path, exact = request.path, request.endpoint
    places = _places(audience, request.script_root)
    # The first entry is the audience's home; every other page stands below it and none is a part of it.
    sections = [below for _, below in places[1:] if path.startswith(below)]
    section = max(sections, key=len, default=None)
    return tuple(["page" if endpoint == exact else "true" if below == section else None for endpoint, below in places])


def _places(audience: Audience, root: str) -> list[tuple[str, str]]:
    """For each entry its page, and how the addresses below it begin; put together once."""
    known: dict[tuple[Audience, str], list[tuple[str, str]]] = current_app.extensions.setdefault(_PLACES, {})
    if (audience, root) not in known:
        endpoints = [entry.endpoint for entry in _entries(audience)]
        known[audience, root] = [(endpoint, address_of(endpoint).rstrip("/") + "/") for endpoint in endpoints]
    return known[audience, root]


def _entries(audience: Audience) -> list[NavEntry]:
    found: list[NavEntry] = current_app.extensions.get(_EXTENSION, {}).get(audience, [])
    return found
