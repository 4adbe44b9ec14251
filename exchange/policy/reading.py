"""What does a policy file say, and does it contradict itself?

``read`` turns text into a ``Document`` or refuses it with every problem that it has. A later version
holds the parts that change; what it leaves out goes on as in the version before it.
"""

from __future__ import annotations

import hashlib
from datetime import date
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import yaml
from flask_babel import lazy_gettext as _l

from exchange.money import Unit
from exchange.policy import scalars as s
from exchange.policy import sections
from exchange.policy.contribution_section import contributions
from exchange.policy.document import Document, Nature, Policy, Trigger
from exchange.policy.formulas import covers
from exchange.policy.nodes import At, BadPolicy, Broken, Problem, compose


def read_file(path: Path) -> Document:
    """The document in a file. Refuses ``BadPolicy``; a file that cannot be opened is the caller's ``OSError``."""
    raw = path.read_bytes()
    try:
        return read(raw.decode("utf-8"), source=str(path))
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise BadPolicy((Problem(str(path), line, "", str(_l("the file is not written in UTF-8"))),)) from error


@lru_cache(maxsize=64)
def read(text: str, *, source: str = "policy") -> Document:
    """The document that ``text`` holds; ``source`` names it in problems. Refuses ``BadPolicy`` with all of them."""
    root = compose(text, source)
    try:
        document = _document(root, text)
    except Broken:
        document = None
    root.findings.refuse_if_any()
    assert document is not None, "reading breaks off only after a problem was found"
    return document


def with_open_enrollment(text: str, *, opens_on: date, closes_on: date, plan_year_starts_on: date) -> str:
    """The policy in ``text`` with other dates: everybody may choose in [opens_on, closes_on).

    What is chosen counts from ``plan_year_starts_on``, which begins a plan year from now on in every
    version. Other years' windows lie on the same days of the year. Refuses ``BadPolicy`` where the
    result breaks a rule (a window that ends before it begins, or after the plan year began).
    """
    read(text)
    root = compose(text, "policy")
    for version in root.entries()["versions"].items():
        calendar = version.entries().get("calendar")
        if calendar is not None:
            _set(calendar.node, "plan_year_starts", f"{plan_year_starts_on:%m-%d}")
            # 29 February is not in every year: other years' windows open a day earlier, or close a day later.
            window = {"opens_on": _every_year(opens_on, "02-28"), "closes_on": _every_year(closes_on, "03-01")}
            _set(calendar.node, "open_enrollment", window)
            exact = {"plan_year": str(plan_year_starts_on.year), "opens_on": f"{opens_on}", "closes_on": f"{closes_on}"}
            _set(calendar.node, "exact_dates", [exact])
    changed = str(yaml.serialize(root.node, Dumper=yaml.SafeDumper, allow_unicode=True, width=120))
    read(changed)
    return changed


def _every_year(day: date, leap_day: str) -> str:
    return leap_day if (day.month, day.day) == (2, 29) else f"{day:%m-%d}"


def _set(node: yaml.Node, key: str, value: object) -> None:
    """Give ``key`` of a mapping this value, in the place where it stood."""
    assert isinstance(node, yaml.MappingNode)
    new = yaml.compose(yaml.safe_dump({key: value}), Loader=yaml.BaseLoader)
    assert isinstance(new, yaml.MappingNode)
    keys = [key_node.value for key_node, _ in node.value]
    if key in keys:
        node.value[keys.index(key)] = new.value[0]
    else:
        node.value.append(new.value[0])


def _document(root: At, text: str) -> Document:
    part = root.section()
    head = (
        part.take("jurisdiction", s.jurisdiction),
        part.take("name", s.name),
        part.take("zone", s.zone),
        part.take("currency", s.constant("USD")),
    )
    versions = part.take("versions", lambda at: _versions(at, head))
    part.close()
    return Document(head[0], versions, text, hashlib.sha256(text.encode()).hexdigest())


def _versions(at: At, head: tuple[str, str, str, str]) -> tuple[Policy, ...]:
    items = at.items()
    if not items:
        raise at.fault(_l("at least one version must stand here"))
    found: list[Policy] = []
    earlier: At | None = None
    for item in items:
        earlier = _taking_over(item, earlier)
        try:
            found.append(_version(earlier, head))
        except Broken:
            continue
    if len(found) < len(items):
        raise Broken
    for (before, after), item in zip(pairwise(found), items[1:], strict=True):
        if after.effective_on <= before.effective_on:
            item.fault(_l("each version takes effect after the one before it"))
        if after.calendar.plan_year_starts != before.calendar.plan_year_starts:
            item.fault(_l("the start of the plan year cannot move: years would overlap or leave a gap"))
    return tuple(found)


def _taking_over(item: At, earlier: At | None) -> At:
    """A version together with the parts that it takes over from the version before it."""
    own = item.entries()
    if earlier is None:
        return item
    assert isinstance(item.node, yaml.MappingNode) and isinstance(earlier.node, yaml.MappingNode)
    taken = [(key, value) for key, value in earlier.node.value if key.value not in own and key.value != "effective_on"]
    node = yaml.MappingNode(item.node.tag, [*item.node.value, *taken], item.node.start_mark, item.node.end_mark)
    return At(node, item.path, item.line, item.findings)


def _version(at: At, head: tuple[str, str, str, str]) -> Policy:
    jurisdiction, name, zone, currency = head
    part = at.section()
    policy = Policy(
        jurisdiction=jurisdiction,
        jurisdiction_name=name,
        zone=zone,
        currency=currency,
        effective_on=part.take("effective_on", s.day),
        calendar=part.take("calendar", sections.calendar),
        causes=part.take("special_enrollment", sections.causes),
        places=part.take("places", sections.places),
        sectors=part.take("sectors", sections.sectors),
        components=part.take("components", sections.components),
        contributions=part.take("contributions", contributions),
        leave=part.take("leave", sections.leave),
        withdrawals=part.take("withdrawals", sections.withdrawals),
        qualification=part.take("qualification", sections.qualification),
        reserves=part.take("reserves", sections.reserves),
        switching=part.take("switching", sections.switching),
        placement=part.take("placement", sections.placement),
        notices=part.take("notices", sections.notices),
        limits=part.take("limits", sections.limits),
    )
    part.close()
    _check_places(at, policy)
    _check_names(at, policy)
    _check_causes(at, policy)
    _check_leave(at, policy)
    _check_held(at, policy)
    return policy


def _check_places(at: At, policy: Policy) -> None:
    """Every place lies in the jurisdiction and is known by name."""
    parts = at.entries()
    named = {place.code for place in policy.places}
    if policy.jurisdiction not in named:
        parts["places"].fault(_l("the jurisdiction itself, %(code)s, is missing", code=policy.jurisdiction))
    for code, entry in parts["places"].entries().items():
        if not covers(policy.jurisdiction, code):
            entry.fault(_l("%(place)s does not lie in %(code)s", place=code, code=policy.jurisdiction))
    rules = parts["contributions"].entries()["rules"].entries()
    lists = [rule.entries()["places"] for rule in rules.values()]
    lists += [accrual.entries()["places"] for accrual in parts["leave"].items()]
    for item in (item for entry in lists for item in entry.items()):
        if item.text() not in named:
            item.fault(_l("%(place)s is not among the places of this policy", place=item.text()))


def _check_names(at: At, policy: Policy) -> None:
    """Sectors, tiers and components that are spoken of are declared."""
    parts = at.entries()
    sectors = {sector.code for sector in policy.sectors}
    for rule in parts["contributions"].entries()["rules"].entries().values():
        for item in rule.entries()["sectors"].items() if "sectors" in rule.entries() else ():
            if item.text() not in sectors:
                item.fault(_l("%(sector)s is not among the sectors of this policy", sector=item.text()))
    tiers = {tier.code for tier in policy.reserves.ladder}
    criteria = parts["qualification"].entries()["criteria"].entries()
    for criterion in policy.qualification.criteria:
        if criterion.tier is not None and criterion.tier not in tiers:
            where = criteria[criterion.code].entries()["tier_at_least"]
            where.fault(_l("%(tier)s is not a tier of the ladder", tier=criterion.tier))


def _check_causes(at: At, policy: Policy) -> None:
    """Whoever the ladder lets go, and whoever was placed, has a special enrollment to choose in."""
    needed = {Trigger.PLACED}
    for tier in policy.reserves.ladder:
        needed |= {Trigger.PROVIDER_RESTRICTED} if tier.may_leave_at_once and not tier.run_off else set()
        needed |= {Trigger.PROVIDER_WOUND_UP} if tier.run_off else set()
    for trigger in sorted(needed - {cause.trigger for cause in policy.causes}):
        at.entries()["special_enrollment"].fault(_l("no cause here is opened by “%(trigger)s”", trigger=trigger.value))


def _check_leave(at: At, policy: Policy) -> None:
    """Leave accrues in a component that counts minutes; funded leave also counts money; no two rules tie."""
    units = {component.code: {unit.value for unit in component.units} for component in policy.components}
    seen: set[tuple[str, str]] = set()
    for accrual, item in zip(policy.leave, at.entries()["leave"].items(), strict=True):
        if "MIN" not in units.get(accrual.component, set()):
            item.fault(_l("“%(component)s” is no component that counts minutes (MIN)", component=accrual.component))
        elif accrual.funded and "USD" not in units[accrual.component]:
            item.fault(_l("funded leave needs a component that also counts money (USD)"))
        for place in accrual.places:
            if (accrual.component, place) in seen:
                item.fault(_l("ambiguous: this leave accrues in %(place)s by another rule already", place=place))
            seen.add((accrual.component, place))


def _check_held(at: At, policy: Policy) -> None:
    """What the exchange holds for a worker is his own: it goes into individual components that count money."""
    own = {part.code for part in policy.components if part.nature is Nature.INDIVIDUAL and Unit.USD in part.units}
    for component, share in at.entries()["placement"].entries()["held"].entries().items():
        if component not in own:
            share.fault(_l("“%(component)s” is no individual component that counts money (USD)", component=component))


__all__ = ["BadPolicy", "read", "read_file", "with_open_enrollment"]
