"""In which words is a worker told what was compared, and what did not hold?

The check itself runs in his browser (``static/check``), which knows codes only. Each code has its sentence here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the check, under the name that the script gives it."""

    name: str
    title: LazyString
    why: LazyString


CHECKS: Final = (
    Step(
        "keys",
        _l("The keys"),
        _l(
            "A key has an identifier that follows from its name and content; your browser computes it again. That the "
            "regulator’s key is really the regulator’s you can see only by comparing it with the one that the "
            "regulator publishes."
        ),
    ),
    Step(
        "signatures",
        _l("The signatures"),
        _l(
            "Each statement must be signed by the exchange and by the provider that owes you, and the seal over the "
            "journal by the exchange."
        ),
    ),
    Step(
        "witness",
        _l("The regulator as a witness"),
        _l(
            "A program on the regulator’s side watches the journal of the books. It signs only a journal that goes on "
            "where the last one it saw ended."
        ),
    ),
    Step(
        "journal",
        _l("The line in the journal"),
        _l(
            "Each statement is also a line of the journal. From that line and what stands beside it your browser "
            "computes the fingerprint of the whole journal: it must be the one that is signed."
        ),
    ),
    Step(
        "memory",
        _l("What this browser saw before"),
        _l("If the journal had been set back, or you were shown another one than last time, it would come out here."),
    ),
    Step(
        "leaf",
        _l("Your entry in the statement"),
        _l(
            "Computed from your own key, your account number, your e-mail address and your name, as they stand in "
            "your account."
        ),
    ),
    Step(
        "balance",
        _l("The amount"),
        _l("What the statement says, against your account as it is now without what came and went since."),
    ),
    Step(
        "path",
        _l("The way to the total"),
        _l(
            "From your entry your browser adds up the way to what the provider is said to owe to everybody: sum, "
            "number of workers and fingerprint must be those that are signed."
        ),
    ),
    Step(
        "regulator",
        _l("The regulator’s copy"),
        _l(
            "Your browser fetches each statement once more, as any stranger would, and looks whether the regulator "
            "has signed these very words. The regulator signs no second version of a statement."
        ),
    ),
)

WHY: Final[dict[str, LazyString]] = {
    "signature": _l("The signature does not belong to this text."),
    "not_signed": _l("A signature that must be there is missing."),
    "key_unknown": _l("It is signed with a key that is not in the list."),
    "key_id": _l("The key has another identifier than it says."),
    "spelled": _l("It is not written in the form that it must have."),
    "range": _l("A figure is out of its range."),
    "index": _l("There is no such place in the tree."),
    "path_length": _l("The way is longer or shorter than it must be."),
    "root": _l("It leads to another fingerprint."),
    "journal_root": _l("It leads to another fingerprint of the journal."),
    "sum": _l("It leads to another sum."),
    "count": _l("It leads to another number of workers."),
    "entry": _l("The line of the journal is no statement’s."),
    "details": _l("The line of the journal is that of another statement."),
    "too_early": _l("The statement stands before the journal of which it speaks."),
    "forked": _l("This journal does not go on where the other one ended: there are two."),
    "rolled_back": _l("The journal is shorter than it was: it was set back."),
    "keys_replaced": _l("None of the keys that this browser knew has signed."),
    "new_keys": _l("A key is new to this browser; one that it knew has signed as well."),
    "first_time": _l("The first time with this browser: it remembers it from now on."),
    "identity": _l("The statement names somebody else than your account does."),
    "nonce": _l("The secret number in your entry does not come from your key."),
    "balance": _l("The statement says another amount than your account."),
    "left_out": _l("You had something there, and the statement leaves it out."),
    "came_since": _l("Came after the statement; the next one must have it."),
    "other_exchange": _l("The statement is another exchange’s."),
    "other_journal": _l("The statement speaks of the journal at another time."),
    "other_date": _l("The statement is of another date."),
    "other_version": _l("Others are shown another version of this statement than you."),
    "not_served": _l("The site does not show what it must show to everybody."),
    "no_answer": _l("The site did not answer. Try it again later."),
    "no_ed25519": _l(
        "This browser cannot check such signatures (Ed25519). Take a newer browser, or the file further down."
    ),
    "not_witnessed": _l("The regulator has not signed a journal with this line yet. Look again in an hour."),
    "not_at_regulator": _l(
        "The regulator has not signed this statement here. Ask the regulator for the fingerprint in its copy, and "
        "compare it with this one."
    ),
    "no_newest": _l("The newest seal could not be read, so there was nothing to compare."),
    "old": _l("This statement is more than 40 days old. Ask why there is no newer one: they are made every month."),
    "odd": _l("Something could not be read."),
}

LABELS: Final[dict[str, LazyString]] = {
    "what": _l("What"),
    "computed": _l("Computed here"),
    "compared": _l("Compared with"),
    "result": _l("Result"),
    "benefit": _l("Benefit"),
    "stated": _l("In the statement"),
    "came": _l("Came since"),
    "went": _l("Went since"),
    "now": _l("In your account now"),
    "newest": _l("Newest seal, in lines of the journal"),
    "seen": _l("Seal that this browser saw last"),
    "known_keys": _l("Keys that sign"),
    "age": _l("Date of the statements"),
    "USD": _l("money"),
    "MIN": _l("time"),
    "line_of": _l("line {position} of {size}"),
    "total": _l("{sum} owed to {count} workers"),
    "rows": _l("What was compared ({count})"),
}
