"""How are a provider's reserve checks drawn: the ratio over time, before the rungs of the ladder?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from flask_babel import gettext as _

from exchange.policy.document import Policy
from exchange.web.charts import Chart, Line, Point, line_chart
from exchange.web.filters import percent, short_day
from providers.pages.wording import tier_bands
from providers.reserve_standing import CheckPoint

MOST_POINTS: Final = 60


def reserves_chart(checks: Sequence[CheckPoint], *, policy: Policy) -> Chart | None:
    """The ratio over time; None where nothing has been required yet.

    The last check of a day stands for it, and of many days the last of each week. The picture ends at twice
    the best rung, so that the ladder stays readable; the table has every figure as it is.
    """
    by_day = {check.on_date: check.ratio_bp for check in checks}
    if len(by_day) > MOST_POINTS:
        by_week = {on.isocalendar()[:2]: on for on in sorted(by_day)}
        by_day = {on: by_day[on] for on in by_week.values()}
    points = [Point(on, ratio_bp) for on, ratio_bp in sorted(by_day.items()) if ratio_bp is not None]
    if not points:
        return None
    top = 2 * policy.reserves.ladder[0].at_least_bp

    def show(ratio_bp: int) -> str:
        return percent(ratio_bp) if ratio_bp < top else _("%(most)s or more", most=percent(top))

    drawn = line_chart(
        _("Held for each dollar that must be held"),
        [Line(_("Ratio"), [Point(point.on, min(point.value, top)) for point in points])],
        show=show,
        headings=(_("Day"), _("Held over required")),
        bands=tier_bands(policy),
    )
    return replace(drawn, rows=tuple((short_day(point.on), percent(point.value)) for point in points))
