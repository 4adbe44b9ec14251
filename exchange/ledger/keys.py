"""With which keys does the exchange sign, and where are they kept?

In a folder outside the database (setting SEAL_KEYS): whoever can change the books can then not sign
what he changed. A key is two files, ``<name>+<id>.key`` (secret) and ``.pub``; the regulator's and the
providers' public keys stand there as ``.pub`` alone. To rotate, a second key of the same name is made:
both sign until the older one is retired, which keeps its public half for what it signed.

The folder also remembers the last checkpoint that was published: a database that was set back, or a
fork of it, cannot make the sealer forget what the world has seen.
"""

from __future__ import annotations

import base64
import fcntl
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from flask import current_app
from flask_babel import lazy_gettext as _l

from exchange import settings
from exchange.errors import Refusal
from exchange.ledger import notes
from exchange.ledger.liabilities import HELD_BY_EXCHANGE
from exchange.ledger.notes import SigningKey, VerifyingKey

MASTER: Final = "master.secret"
PUBLISHED: Final = "published-checkpoint"
_SECRET_MODE: Final = 0o600


class NoKeys(Refusal):
    """Nothing can be signed: the folder of keys is not set, or lacks the key that is asked for."""

    code = "no_keys"
    status = 503


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The folder of keys of one exchange. ``makes_missing``: a demonstration makes what it lacks."""

    folder: Path
    exchange: str
    makes_missing: bool = False

    @property
    def journal_name(self) -> str:
        """The origin of checkpoints, which is the name of the exchange's key."""
        return f"{self.exchange}/journal"

    def provider_name(self, provider: str) -> str:
        """The name of the key of a provider, given as it stands in statements (``org-7``)."""
        return f"{self.exchange}/{provider}"

    def is_own(self, name: str) -> bool:
        """Whether a key of that name is the exchange's or a provider's. A witness's has a name of its own."""
        return name.startswith(f"{self.exchange}/")

    def signing(self, name: str) -> list[SigningKey]:
        """Every private key of a name that is kept here; during a rotation there are two, otherwise one or none."""
        if self.makes_missing and not self._files(name, ".key"):
            _if_missing(lambda: new_key(name, self.folder))
        return [notes.signing_key(path.read_text(encoding="utf-8")) for path in self._files(name, ".key")]

    def journal_keys(self) -> list[SigningKey]:
        """The exchange's own keys. Refuses ``NoKeys``."""
        found = self.signing(self.journal_name)
        if not found:
            raise NoKeys(_l("There is no key “%(name)s”: make one with “flask keys new”.", name=self.journal_name))
        return found

    def signers_of(self, provider: str) -> list[SigningKey]:
        """Whose keys sign the statement of a provider: the exchange's, and the provider's where it is kept here."""
        own = [] if provider == HELD_BY_EXCHANGE else self.signing(self.provider_name(provider))
        return [*self.journal_keys(), *own]

    def verifying(self) -> list[VerifyingKey]:
        """Every public key that is known here, retired ones included, by name."""
        found = [notes.verifying_key(path.read_text(encoding="utf-8")) for path in self.folder.glob("*.pub")]
        return sorted(found, key=lambda key: (key.name, key.key_id))

    def master(self) -> bytes:
        """The key from which each worker's own is derived (32 bytes). Refuses ``NoKeys``."""
        path = self.folder.joinpath(MASTER)
        if self.makes_missing and not path.exists():
            _if_missing(lambda: new_master(self.folder))
        if not path.exists():
            raise NoKeys(_l("There is no master key: make one with “flask keys master”."))
        return notes.decode(path.read_text(encoding="utf-8").strip())

    def published(self) -> str | None:
        """The last checkpoint that the world has seen; None before the first."""
        path = self.folder.joinpath(PUBLISHED)
        return path.read_text(encoding="utf-8") if path.exists() else None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While one process publishes, others wait; whoever dies meanwhile holds up nobody."""
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def remember(self, checkpoint: str) -> None:
        """Write down what is published now; on the disk, or not at all. To be called ``alone``."""
        draft = self.folder.joinpath(f"{PUBLISHED}.new")
        with draft.open("w", encoding="utf-8") as file:
            file.write(checkpoint)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.folder.joinpath(PUBLISHED))

    def _files(self, name: str, suffix: str) -> list[Path]:
        return sorted(self.folder.glob(f"{_file_name(name)}+????????{suffix}"))


def ring() -> KeyRing:
    """The keys of this exchange. Refuses ``NoKeys`` when the setting names no folder."""
    found = ring_or_none()
    if found is None:
        raise NoKeys(_l("SEAL_KEYS names no folder with keys."))
    return found


def ring_or_none() -> KeyRing | None:
    """The same, or None where nothing is to be sealed."""
    config = current_app.config
    is_demo = bool(config["DEMO"])
    folder = config.get("SEAL_KEYS") or (settings.VAR.joinpath("demo-seal-keys") if is_demo else None)
    if folder is None:
        return None
    path = Path(folder)
    if is_demo:
        path.mkdir(parents=True, exist_ok=True)
    if not path.is_dir():
        raise NoKeys(_l("SEAL_KEYS names “%(folder)s”, which is no folder.", folder=str(folder)))
    return KeyRing(path, str(config["EXCHANGE_ID"]), makes_missing=is_demo)


def new_key(name: str, folder: Path) -> VerifyingKey:
    """Make a signing key. Raises ``FileExistsError`` only if the same key is there already."""
    key = SigningKey(name, secrets.token_bytes(32))
    stem = f"{_file_name(name)}+{key.verifying.key_id.hex()}"
    _write(folder.joinpath(f"{stem}.key"), key.secret() + "\n", mode=_SECRET_MODE)
    _write(folder.joinpath(f"{stem}.pub"), f"{key.verifying}\n", mode=0o644)
    return key.verifying


def new_master(folder: Path) -> None:
    """Make the master key. Raises ``FileExistsError``: another one would orphan every proof there is."""
    _write(folder.joinpath(MASTER), base64.b64encode(secrets.token_bytes(32)).decode() + "\n", mode=_SECRET_MODE)


def retire(name: str, key_id: str, folder: Path) -> None:
    """Let a key sign no more; its public half stays. Raises ``FileNotFoundError``."""
    folder.joinpath(f"{_file_name(name)}+{key_id}.key").unlink()


def _file_name(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-." else "_" for letter in name)


def _write(path: Path, text: str, *, mode: int) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _if_missing(make: Callable[[], object]) -> None:
    try:
        make()
    except FileExistsError:
        return  # another process was first
