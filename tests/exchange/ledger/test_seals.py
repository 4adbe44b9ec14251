"""Is every entry sealed once, in the order of its seal, and is a head that forks what was published refused?"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flask import Flask, current_app
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import DatabaseError

from exchange.database import db, in_unit_of_work, unit_of_work
from exchange.identity import organizations
from exchange.identity.organizations import OrganizationKind
from exchange.ledger import cosigning, journal, keys, merkle, notes, seals
from exchange.ledger.journal import LedgerEntry
from exchange.ledger.keys import KeyRing, NoKeys
from exchange.ledger.merkle import Growing
from exchange.ledger.notes import BadNote, SigningKey
from exchange.ledger.seal_store import JournalSeal, SealCheckpoint, SealGap, SealState, StoredTree
from exchange.ledger.seals import Forked, Head
from exchange.notices import Notice
from exchange.scheduler import jobs, runner
from tests.conftest import Cli
from tests.support.ledger_makers import AT, BY, Books, entry, post
from tests.support.seal_makers import EXCHANGE, make_ring, seal


@pytest.fixture
def books(app: Flask) -> Books:
    """A small set of books on this test's database."""
    return Books()


@pytest.fixture
def ring(app: Flask, tmp_path: Path) -> KeyRing:
    """The keys of this test's exchange."""
    return make_ring(app, tmp_path)


def post_some(books: Books, count: int, *, prefix: str = "k") -> list[int]:
    """``count`` entries of a cent each; their ids in the order in which they were asked."""
    ada = books.worker(1)
    found = post(*(entry(f"{prefix}{number}", (books.money, ada, 1)) for number in range(count)))
    return [found[f"{prefix}{number}"] for number in range(count)]


def sealed_ids() -> list[int]:
    """Entry ids in the order of their positions, which have no hole."""
    rows = db.session.execute(select(JournalSeal.position, JournalSeal.entry_id).order_by(JournalSeal.position)).all()
    assert [position for position, _ in rows] == list(range(len(rows)))
    return [entry_id for _, entry_id in rows]


def root_of_all() -> bytes:
    """The root over the entries as they stand, without anything that the sealer keeps."""
    tree: Growing[bytes] = Growing(merkle.node_hash)
    contents = seals.entry_contents(sealed_ids())
    for id_ in sealed_ids():
        tree.append(merkle.leaf_hash(contents[id_]))
    return merkle.journal_root(tree)


class TestSeal:
    def test_gives_each_entry_one_place_and_signs_the_root(self, books: Books, ring: KeyRing) -> None:
        ids = post_some(books, 5)

        assert seal(ring) == 5
        assert seal(ring) == 0
        newest = seals.latest()
        assert newest is not None
        assert sealed_ids() == ids
        assert notes.signers(newest.note, ring.verifying()) == set(ring.verifying())
        assert newest.note.startswith(f"{EXCHANGE}/journal\n5\n")
        assert (newest.size, newest.root) == (5, root_of_all())

    def test_goes_on_where_it_was_batch_by_batch(self, books: Books, ring: KeyRing) -> None:
        ids = post_some(books, 700)

        while seal(ring, limit=90):
            pass
        ids += post_some(books, 3, prefix="later")
        seal(ring)

        newest = seals.latest()
        assert newest is not None
        assert sealed_ids() == ids
        assert newest.root == root_of_all() == StoredTree().root(703)
        assert db.session.execute(select(func.count()).select_from(SealCheckpoint)).scalar_one() == 9

    def test_takes_an_entry_without_transfers(self, books: Books, ring: KeyRing) -> None:
        post(entry("words", details="nothing moved"))

        assert seal(ring) == 1

    def test_takes_what_was_still_open_when_later_ones_were_sealed(
        self, books: Books, ring: KeyRing, engine_name: str
    ) -> None:
        """Its id is lower than sealed ones: it gets the next place, and is never skipped."""
        if engine_name == "sqlite":
            pytest.skip("one writer at a time: ids are committed in their order")
        ada = books.worker(1)
        allotted, may_commit, failures = threading.Event(), threading.Event(), list[BaseException]()

        def slow(application: Flask) -> None:
            try:
                with application.app_context(), unit_of_work():
                    journal.post([entry("slow", (books.money, ada, 1))], by=BY, at=AT)
                    allotted.set()
                    may_commit.wait(10)
            except BaseException as error:  # noqa: BLE001 - told to the test's own thread
                failures.append(error)
                allotted.set()

        db.session.rollback()
        thread = threading.Thread(target=slow, args=(current_app._get_current_object(),))  # type: ignore[attr-defined]
        thread.start()
        allotted.wait(10)
        fast = post(entry("fast", (books.pool, books.money, 2)))["fast"]
        seal(ring)
        may_commit.set()
        thread.join()
        assert failures == []
        found = db.session.execute(select(LedgerEntry.id).where(LedgerEntry.key == "slow")).scalar_one()
        assert found < fast

        seal(ring)

        assert sealed_ids()[-2:] == [fast, found]
        assert seals.oldest_unsealed() is None
        seen = db.session.execute(select(SealGap.first_id).where(SealGap.first_id <= found, SealGap.last_id >= found))
        assert seen.first() is None

    def test_leaves_ids_that_were_never_used_behind_as_gaps(self, books: Books, ring: KeyRing) -> None:
        first = post_some(books, 1)
        in_unit_of_work(lambda: db.session.execute(text("SELECT 1")))
        _skip_ids(7)
        later = post_some(books, 2, prefix="after")

        seal(ring)
        seal(ring)

        assert sealed_ids() == [*first, *later]

    def test_without_keys_is_refused(self, books: Books, app: Flask) -> None:
        post_some(books, 1)

        with pytest.raises(NoKeys):
            keys.ring()

    def test_with_a_folder_that_has_no_key_is_refused(self, books: Books, app: Flask, tmp_path: Path) -> None:
        post_some(books, 1)
        app.config["SEAL_KEYS"] = str(tmp_path)

        with pytest.raises(NoKeys), unit_of_work():
            seals.seal(keys.ring(), by=BY, at=AT)
        assert sealed_ids() == []

    def test_of_a_rotation_carries_both_keys_and_afterwards_the_new_one(self, books: Books, ring: KeyRing) -> None:
        (old,) = ring.verifying()
        new = keys.new_key(ring.journal_name, ring.folder)
        post_some(books, 1)
        seal(ring)
        both = seals.latest()
        keys.retire(ring.journal_name, old.key_id.hex(), ring.folder)
        post_some(books, 1, prefix="later")
        seal(ring)
        one = seals.latest()

        assert both is not None and one is not None
        assert notes.signers(both.note, ring.verifying()) == {old, new}
        assert notes.signers(one.note, ring.verifying()) == {new}

    def test_cannot_be_changed_or_removed(self, books: Books, ring: KeyRing) -> None:
        post_some(books, 1)
        seal(ring)

        for statement in ("UPDATE journal_seal SET position = 9", "DELETE FROM seal_checkpoint"):
            with pytest.raises(DatabaseError, match="append-only"), unit_of_work():
                db.session.execute(text(statement))


def _skip_ids(count: int) -> None:
    """Ids that a rolled-back transaction took along."""
    if db.session.get_bind().dialect.name == "postgresql":
        for _ in range(count):
            in_unit_of_work(lambda: db.session.execute(text("SELECT nextval('ledger_entry_id_seq')")))


class TestGaps:
    def test_are_split_by_what_fills_them_until_nothing_is_left(self, books: Books, ring: KeyRing) -> None:
        ids = post_some(books, 6)
        in_unit_of_work(lambda: _pretend_sealed_up_to(ids[-1]))

        for _ in range(3):
            assert seal(ring, limit=2) == 2

        assert sealed_ids() == ids
        left = db.session.execute(select(SealGap.first_id, SealGap.last_id)).all()
        assert all(last < ids[0] for _, last in left)


def _pretend_sealed_up_to(entry_id: int) -> None:
    """As if everything up to the id had been open when the sealer came by."""
    db.session.add(SealState(id=1, highest_entry_id=entry_id, size=0, peaks=b""))
    db.session.add(SealGap(first_id=1, last_id=entry_id))


class TestProof:
    def test_shows_each_entry_under_each_checkpoint(self, books: Books, ring: KeyRing) -> None:
        ids = post_some(books, 600)
        seal(ring, limit=270)
        seal(ring)
        contents = seals.entry_contents(ids)

        for size in (270, 600):
            checkpoint = seals.checkpoint_at(size)
            for position in (0, 1, 255, 256, 269, size - 1):
                path = seals.inclusion_proof(position, size)
                leaf = merkle.leaf_hash(contents[ids[position]])
                assert merkle.includes(checkpoint.root, index=position, size=size, leaf=leaf, path=path)

    def test_shows_that_a_checkpoint_extends_an_earlier_one(self, books: Books, ring: KeyRing) -> None:
        post_some(books, 600)
        seal(ring, limit=270)
        seal(ring)

        path = seals.consistency_proof(270, 600)

        old, new = seals.checkpoint_at(270).root, seals.checkpoint_at(600).root
        assert merkle.extends(old, new, old=270, new=600, path=path)


class TestFork:
    @pytest.mark.breaks_rules
    def test_of_a_database_that_was_set_back_stops_the_sealer(self, books: Books, ring: KeyRing) -> None:
        """After a failover to a copy that lacks what was published, nothing is signed that contradicts it."""
        in_unit_of_work(lambda: organizations.found("State", kind=OrganizationKind.REGULATOR, by=BY, at=AT))
        post_some(books, 2)
        seal(ring)
        published = Head(3, bytes(32))
        ring.remember(notes.sign(published.text(ring.journal_name), ring.journal_keys()))
        post_some(books, 3, prefix="other")

        with pytest.raises(Forked), unit_of_work():
            seals.seal(ring, by=BY, at=AT)

        assert len(sealed_ids()) == 2

    def test_is_told_to_operator_and_regulators_once(self, books: Books, ring: KeyRing, app: Flask) -> None:
        in_unit_of_work(lambda: organizations.found("State", kind=OrganizationKind.REGULATOR, by=BY, at=AT))
        post_some(books, 2)
        seal(ring)
        ring.remember(notes.sign(Head(2, bytes(32)).text(ring.journal_name), ring.journal_keys()))
        post_some(books, 1, prefix="other")

        (ran,) = runner.run_by_hand("seal-journal", by=BY)
        assert not list(seals_due())

        told = db.session.execute(select(Notice.subject)).scalars().all()
        assert told == ["The journal is no longer sealed"] * 2
        assert ran.broken != ()
        assert seals.is_stopped()

    def test_is_healed_when_the_books_extend_what_was_published_again(
        self, books: Books, ring: KeyRing, cli: Cli
    ) -> None:
        post_some(books, 2)
        seal(ring)
        true = ring.published()
        assert true is not None
        ring.remember(notes.sign(Head(2, bytes(32)).text(ring.journal_name), ring.journal_keys()))
        post_some(books, 1, prefix="other")

        assert cli("seal").exit_code == 1
        ring.remember(true)
        assert cli("seal").exit_code == 0

        assert not seals.is_stopped()
        assert len(sealed_ids()) == 3

    def test_by_a_row_changed_behind_the_back_does_not_change_what_was_signed(
        self, books: Books, ring: KeyRing
    ) -> None:
        """The seals keep the old hash: the changed row no longer leads to it, and a bundle names its position."""
        ids = post_some(books, 3)
        seal(ring)
        in_unit_of_work(lambda: _disarm("ledger_entry"))

        in_unit_of_work(
            lambda: db.session.execute(update(LedgerEntry).values(kind="x").where(LedgerEntry.id == ids[1]))
        )

        changed = [
            position
            for position, leaf, content in seals.sealed_between(0, 3)
            if content is None or merkle.leaf_hash(content) != leaf
        ]
        assert changed == [1]


def seals_due() -> list[object]:
    return list(jobs.called("seal-journal").due(AT))


def _disarm(table: str) -> None:
    """Take the triggers away, as somebody could who has the database's file."""
    if db.session.get_bind().dialect.name == "postgresql":
        db.session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
    else:
        db.session.execute(text(f"DROP TRIGGER {table}_no_update"))


class TestPublish:
    def test_by_two_at_once_remembers_the_newest(self, books: Books, ring: KeyRing, app: Flask) -> None:
        """The sealer, and whoever writes a bundle or states what is owed at the same moment."""
        at_once = threading.Barrier(2)

        def publish(_which: int) -> None:
            with app.app_context():
                at_once.wait()
                seals.publish(ring)

        for number in range(30):
            post_some(books, 1, prefix=f"k{number}-")
            in_unit_of_work(lambda: seals.seal(ring, by=BY, at=AT))
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(publish, range(2)))
            newest = seals.latest()
            assert newest is not None
            assert ring.published() == newest.note


class TestJob:
    def test_seals_what_was_posted_and_publishes_it(self, books: Books, ring: KeyRing) -> None:
        post_some(books, 4)

        (ran,) = runner.run_by_hand("seal-journal", by=BY)

        newest = seals.latest()
        assert newest is not None
        assert (str(ran.text), ring.published()) == ("4 entries sealed", newest.note)


class TestCosign:
    WITNESS = SigningKey("witness.example", bytes(range(32)))

    def test_keeps_the_witness_beside_the_exchange(self, books: Books, ring: KeyRing) -> None:
        (ring.folder / "witness.pub").write_text(str(self.WITNESS.verifying), encoding="utf-8")
        post_some(books, 1)
        seal(ring)
        newest = seals.latest()
        assert newest is not None
        note = newest.note + self.WITNESS.line(notes.parts(newest.note)[0])

        for new in (["witness.example"], []):
            assert in_unit_of_work(lambda: cosigning.take(note, ring, by=BY, at=AT)) == new

        assert seals.signed_note(newest) == note
        assert len(notes.signers(note, ring.verifying())) == 2

    def test_refuses_a_signature_that_does_not_hold(self, books: Books, ring: KeyRing) -> None:
        (ring.folder / "witness.pub").write_text(str(self.WITNESS.verifying), encoding="utf-8")
        post_some(books, 1)
        seal(ring)
        newest = seals.latest()
        assert newest is not None

        with pytest.raises(BadNote), unit_of_work():
            cosigning.take(newest.note + self.WITNESS.line("other\n"), ring, by=BY, at=AT)

        assert seals.signed_note(newest) == newest.note


class TestCommands:
    def test_refuse_a_file_that_is_no_text_and_one_that_cannot_be_written(
        self, books: Books, ring: KeyRing, cli: Cli, tmp_path: Path
    ) -> None:
        tmp_path.joinpath("photo").write_bytes(b"\xff\xd8")
        post_some(books, 1)

        for command in (
            ("cosign", str(tmp_path / "photo")), ("bundle", "--out", str(tmp_path / "nowhere" / "books.zip")),
        ):  # fmt: skip
            answer = cli(*command)
            assert answer.exit_code == 1
            assert answer.output.splitlines()[-1].startswith("Error: ")


class TestKeys:
    def test_are_made_listed_and_retired_from_the_command_line(self, cli: Cli, app: Flask, tmp_path: Path) -> None:
        app.config["SEAL_KEYS"] = str(tmp_path)

        made = cli("keys", "new", "localhost/journal", "--out", str(tmp_path)).output.strip()
        assert cli("keys", "list").output == f"{made}  signs\n"
        assert cli("keys", "retire", "localhost/journal", made.split("+")[1], "--out", str(tmp_path)).exit_code == 0

        assert cli("keys", "list").output == f"{made}\n"

    def test_with_a_name_that_no_line_could_carry_are_not_made(self, cli: Cli, tmp_path: Path) -> None:
        for name in ("two words", "a+b", "", "line\nline"):
            answer = cli("keys", "new", name, "--out", str(tmp_path))
            assert (answer.exit_code, answer.output) == (1, "Error: A key's name has no blanks and no plus sign.\n")
        assert list(tmp_path.iterdir()) == []

    def test_do_not_replace_the_master_key(self, cli: Cli, app: Flask, tmp_path: Path) -> None:
        assert cli("keys", "master", "--out", str(tmp_path)).exit_code == 0
        before = (tmp_path / keys.MASTER).read_bytes()

        assert cli("keys", "master", "--out", str(tmp_path)).exit_code == 1
        assert (tmp_path / keys.MASTER).read_bytes() == before

    def test_are_secret_to_others_on_the_machine(self, ring: KeyRing) -> None:
        secret = [*ring.folder.glob("*.key"), ring.folder / keys.MASTER]

        assert {path.stat().st_mode & 0o077 for path in secret} == {0}
