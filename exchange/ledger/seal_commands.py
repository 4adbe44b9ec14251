"""What can the operator do about seals, keys and the regulator's bundle from the command line?"""

from __future__ import annotations

from pathlib import Path
from typing import Final, TextIO

import click
from flask.cli import with_appcontext

from exchange import clock
from exchange.database import db, in_unit_of_work
from exchange.errors import Refusal
from exchange.identity.actors import system_actor
from exchange.ledger import bundle, cosigning, keys, notes, seals
from exchange.ledger.notes import BadNote
from exchange.ledger.seals import Forked
from exchange.progress import Progress

_FILE: Final = click.Path(dir_okay=False, path_type=Path)
_FOLDER: Final = click.Path(file_okay=False, path_type=Path)


@click.command("seal")
@with_appcontext
def seal_command() -> None:
    """Seal everything that is posted, and publish the checkpoint. Also after sealing was stopped."""
    by = system_actor("command:seal")
    try:
        ring = keys.ring()
        sealed = 0
        seals.publish(ring)
        with Progress("entries sealed") as tell:
            while part := in_unit_of_work(lambda: seals.seal(ring, by=by, at=clock.now())):
                seals.publish(ring)
                sealed += part
                tell(sealed)
    except Forked as refusal:
        in_unit_of_work(lambda refusal=refusal: seals.stop(refusal, by=by, at=clock.now()))  # type: ignore[misc]
        raise click.ClickException(str(refusal)) from refusal
    except Refusal as refusal:
        raise click.ClickException(str(refusal)) from refusal
    newest = seals.latest()
    click.echo(f"{sealed:,} entries sealed.")
    if newest is not None:
        click.echo(seals.signed_note(newest), nl=False)


@click.group("keys")
def keys_group() -> None:
    """Make, list and retire the keys that sign seals and statements."""


@keys_group.command("new")
@click.argument("name")
@click.option("--out", "folder", type=_FOLDER, required=True, help="The folder that SEAL_KEYS names.")
def new_key_command(name: str, folder: Path) -> None:
    """Make a key called NAME: "<EXCHANGE_ID>/journal" for the exchange, "<EXCHANGE_ID>/org-7" for a provider.

    A second key of the same name signs beside the first one, until that is retired.
    """
    if not notes.is_name(name):
        raise click.ClickException("A key's name has no blanks and no plus sign.")
    folder.mkdir(parents=True, exist_ok=True)
    click.echo(keys.new_key(name, folder))


@keys_group.command("master")
@click.option("--out", "folder", type=_FOLDER, required=True, help="The folder that SEAL_KEYS names.")
def master_key_command(folder: Path) -> None:
    """Make the master key, from which each worker's own key for his proofs is derived. Once, and kept for ever."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        keys.new_master(folder)
    except FileExistsError as error:
        raise click.ClickException("There is one already; another one would orphan every proof.") from error
    click.echo(f"Written to {folder.joinpath(keys.MASTER)}. Keep a copy apart from the database and its backups.")


@keys_group.command("retire")
@click.argument("name")
@click.argument("key_id")
@click.option("--out", "folder", type=_FOLDER, required=True, help="The folder that SEAL_KEYS names.")
def retire_key_command(name: str, key_id: str, folder: Path) -> None:
    """Let the key KEY_ID of NAME sign no more. Its public half stays, for what it signed."""
    try:
        keys.retire(name, key_id, folder)
    except FileNotFoundError as error:
        raise click.ClickException(f"There is no key {name}+{key_id} that signs.") from error
    click.echo(f"{name}+{key_id} signs no more.")


@keys_group.command("list")
@with_appcontext
def list_keys_command() -> None:
    """Every public key that is known here."""
    try:
        ring = keys.ring()
    except Refusal as refusal:
        raise click.ClickException(str(refusal)) from refusal
    for key in ring.verifying():
        signs = "signs" if any(own.verifying == key for own in ring.signing(key.name)) else ""
        click.echo(f"{key}  {signs}".rstrip())


@click.command("cosign")
@click.argument("files", type=click.File(encoding="utf-8"), nargs=-1, required=True)
@with_appcontext
def cosign_command(files: tuple[TextIO, ...]) -> None:
    """Take a witness's signature of a checkpoint or statement, or a provider's of a statement, from the notes in FILES.

    All of them or none; what is there already is passed over.
    """

    def work() -> set[str]:
        at, by = clock.now(), system_actor("command:cosign")
        return {name for note in contents for name in cosigning.take(note, ring, by=by, at=at)}

    try:
        contents = [file.read() for file in files]
        ring = keys.ring()
        known = {(key.name, key.key_id) for key in ring.verifying()}
        signed = {(one.name, one.key_id) for note in contents for one in notes.parts(note)[1]}
        names = in_unit_of_work(work)
    except UnicodeDecodeError as error:
        raise click.ClickException("One of the files is no signed note: it is not UTF-8.") from error
    except (Refusal, BadNote) as error:
        raise click.ClickException(str(error)) from error
    finally:
        db.session.rollback()
    click.echo(f"Signed by {', '.join(sorted(names)) or 'nobody new'}.")
    for name, key_id in sorted(signed - known):
        click.echo(
            f"Not taken: the key {name}+{key_id.hex()} is not known here. Put its public half into SEAL_KEYS (.pub)."
        )


@click.command("bundle")
@click.option(
    "--out", "path", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The file to write."
)
@click.option("--public", "confidential", flag_value=False, default=True, help="Leave out the confidential part.")
@with_appcontext
def bundle_command(path: Path, *, confidential: bool) -> None:
    """Write the regulator's bundle: everything that verifier/verify.py needs to compute the books anew.

    It holds personal data (members that begin with "confidential"): hand it to the regulator only.
    """
    by = system_actor("command:bundle")
    try:
        ring = keys.ring()
        while in_unit_of_work(lambda: seals.seal(ring, by=by, at=clock.now())):
            seals.publish(ring)
        with Progress("entries", total=bundle.entries_sealed()) as tell:
            at = clock.now()
            written = bundle.write(path, keys=ring, at=at, confidential=confidential, tell=tell)
        in_unit_of_work(lambda: bundle.note_written(written, by=by, at=at))
    except (Refusal, OSError) as refusal:
        raise click.ClickException(str(refusal)) from refusal
    click.echo(f"{written.entries:,} entries, {written.length:,} bytes written to {path}.")
    click.echo(f"SHA-256 {written.sha256}. Check it: python verifier/verify.py {path}")


COMMANDS: Final[list[click.Command]] = [bundle_command, cosign_command, keys_group, seal_command]
