"""Is the exchange's journal still the one that the regulator saw last?  The witness's side.

    python witness.py KEYFILE STATE URL --exchange-key VKEY     fetches, checks, remembers, prints the signed note
                                      --statements FOLDER       and signs every new statement into a copy of its own
    python witness.py --new NAME KEYFILE                        makes a key

The witness remembers the last checkpoint in STATE. It signs a new one only if the exchange signed it
and shows that it extends the remembered one. A statement it signs only if it speaks of the journal that
was seen, and keeps it in FOLDER: of the same place and journal it signs no second version. The note on
the standard output and the files in FOLDER are handed back to the exchange (``flask cosign``); FOLDER
may be published, it names nobody. Needs Python 3.11 and ``cryptography``, and ``verify.py`` beside it
in a folder called ``verifier``; there is no other part to it.
"""

from __future__ import annotations

import argparse
import base64
import os
import re
import secrets
import sys
import urllib.request
from collections.abc import Callable, Collection, Iterator, Sequence
from http.client import HTTPException
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

sys.path.insert(0, str(Path(__file__).parents[1]))
from verifier.verify import Head, Keys, b64, checkpoint, extends, matched, need, sha, whole

Fetch = Callable[[str], str]
SECONDS = 20
STATED = re.compile(
    r"pbx-pol/v1\nexchange \S+\nprovider ([\w.-]+)\ncomponent ([\w.-]+)\nunit (USD|MIN)\nasof \S+\n"
    r"journal ([0-9]+) (\S+)\n"
)


def fetched(address: str) -> str:
    """What stands at an address of the exchange."""
    need(address.startswith(("https://", "http://localhost", "http://127.0.0.1")), "the address is not https")
    with urllib.request.urlopen(address, timeout=SECONDS) as answer:  # noqa: S310 - the scheme was just asked for
        return str(answer.read(1 << 20).decode())


def new_key(name: str, path: Path) -> str:
    """Make a key in a file that only its owner reads; returns the public half for the exchange's folder of keys."""
    seed = secrets.token_bytes(32)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(f"{name}\n{base64.b64encode(seed).decode()}\n")
    return public_half(name, seed)


def public_half(name: str, seed: bytes) -> str:
    """``name+id+base64``, as the exchange and the verifier read it."""
    content = b"\x01" + Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    return f"{name}+{key_id(name, content).hex()}+{base64.b64encode(content).decode()}"


def key_id(name: str, content: bytes) -> bytes:
    """Four bytes that tell the keys of one name apart."""
    return sha(name.encode(), b"\n", content)[:4]


def signature_line(text: str, name: str, seed: bytes) -> str:
    """The witness's line under a checkpoint."""
    key = Ed25519PrivateKey.from_private_bytes(seed)
    identity = key_id(name, b"\x01" + key.public_key().public_bytes_raw())
    return f"— {name} {base64.b64encode(identity + key.sign(text.encode())).decode()}\n"


def witness(key_file: Path, state: Path, url: str, exchange_keys: Sequence[str], *, fetch: Fetch = fetched) -> str:
    """The newest checkpoint with the witness's signature; remembered in ``state``.

    Raises ``ValueError`` when it is not signed by the exchange or does not extend what was seen
    last: then nothing is signed, and nothing is forgotten.
    """
    name, seed = own_key(key_file)
    known = Keys([*exchange_keys, public_half(name, seed)])
    text, ours = of_keys(fetch(f"{url}/.well-known/pbx/checkpoint"), exchange_keys)
    need(ours, "signed by no key that was named: has the exchange changed its key?")
    exchange = text.partition("/journal\n")[0]
    head, _ = checkpoint(f"{text}\n{ours}", known, exchange)
    if state.exists():
        seen = remembered(state, name, seed)
        compare(seen, head, lambda: fetch(f"{url}/.well-known/pbx/consistency/{seen.size}/{head.size}"))
    signed = f"{text}\n{ours}{signature_line(text, name, seed)}"
    keep(state, signed)
    return signed


def copy_statements(
    key_file: Path, state: Path, folder: Path, url: str, exchange_keys: Sequence[str], *, fetch: Fetch = fetched
) -> list[Path]:
    """Every statement that is not in ``folder`` yet, checked, signed and written there: the regulator's copy.

    To be called after ``witness``. Raises ``ValueError`` for a statement that is not signed by the
    exchange, speaks of another journal than was seen, or is a second version of one that is there.
    """
    name, seed = own_key(key_file)
    known = Keys([*exchange_keys, public_half(name, seed)])
    exchange = state.read_text(encoding="utf-8").partition("/journal\n")[0]
    seen = remembered(state, name, seed)
    folder.mkdir(parents=True, exist_ok=True)
    there = {digest_of(path.read_text(encoding="utf-8")) for path in folder.glob("*.note")}
    extended: set[Head] = set()
    new = []
    # The oldest first: whatever stops this, everything older than what is in the folder is there as well.
    for address in reversed(list(unseen(url, there, fetch))):
        text, ours = of_keys(fetch(url + address), exchange_keys)
        known.note(f"{text}\n{ours}", f"{exchange}/journal")
        *place, size, root = matched(STATED, text)
        journal = Head(whole(size), b64(root, 32))
        if journal not in extended:
            compare(journal, seen, lambda: fetch(f"{url}/.well-known/pbx/consistency/{journal.size}/{seen.size}"))  # noqa: B023 - called at once
            extended.add(journal)
        path = folder / f"{journal.size:012}_{'_'.join(place)}.note"
        need(not path.exists(), f"{path.name}: there is another version of this statement")
        keep(path, f"{text}\n{ours}{signature_line(text, name, seed)}")
        new.append(path)
    return new


def unseen(url: str, there: Collection[str], fetch: Fetch) -> Iterator[str]:
    """The addresses of the statements that are not ``there`` by their digest, the newest first.

    The list has pages; the first one that holds nothing new is the last to be asked for.
    """
    page, before = f"{url}/.well-known/pbx/statements", None
    while lines := [
        line.split(" ") for line in fetch(page if before is None else f"{page}?before={before}").splitlines()
    ]:
        new = [address for *_, digest, address in lines if digest not in there]
        yield from new
        last = whole(lines[-1][-1].rpartition("/")[2])
        need(before is None or last < before, "the list of statements goes round")
        before = last
        if not new:
            return


def own_key(path: Path) -> tuple[str, bytes]:
    """The witness's name and secret."""
    name, spelled = path.read_text(encoding="utf-8").splitlines()
    return name, b64(spelled, 32)


def remembered(state: Path, name: str, seed: bytes) -> Head:
    """The head that was seen last, by the witness's own signature: the exchange's keys may be others by now."""
    own = public_half(name, seed)
    text, line = of_keys(state.read_text(encoding="utf-8"), [own])
    Keys([own]).note(f"{text}\n{line}", name)
    _, size, root = text.splitlines()
    return Head(whole(size), b64(root, 32))


def of_keys(note: str, keys: Sequence[str]) -> tuple[str, str]:
    """A note's text and the signature lines of these keys.

    Others may have signed too: other witnesses, and while the exchange changes its key, the one that is
    not known here yet.
    """
    text = note.rpartition("\n\n")[0] + "\n"
    lines = note[len(text) + 1 :].splitlines(keepends=True)
    return text, "".join(line for line in lines if is_known(line, keys))


def digest_of(note: str) -> str:
    """The SHA-256 of a note's text, as the exchange lists it."""
    return sha((note.rpartition("\n\n")[0] + "\n").encode()).hex()


def keep(path: Path, content: str) -> None:
    """Write a file, on the disk or not at all."""
    draft = path.with_name(f"{path.name}.new")
    with draft.open("w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def is_known(line: str, keys: Sequence[str]) -> bool:
    """Whether a signature line is by one of the keys: of its name, and with its id."""
    name, _, spelled = line.removeprefix("— ").rstrip("\n").partition(" ")
    try:
        signed_by = base64.b64decode(spelled, validate=True)[:4].hex()
    except ValueError:
        return False
    return any(key.startswith(f"{name}+{signed_by}+") for key in keys)


def compare(seen: Head, head: Head, proof: Callable[[], str]) -> None:
    """The new head extends the one that was seen; a smaller one, or another of the same size, does not."""
    need(head.size >= seen.size, f"a journal of {head.size} entries, after one of {seen.size}: it was set back")
    if head != seen:
        extends(seen, head, [b64(line, 32).hex() for line in proof().splitlines()])


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when the checkpoint was signed, 1 when it was refused."""
    parser = argparse.ArgumentParser(description="Check and sign the newest checkpoint of a benefits exchange.")
    parser.add_argument("--new", metavar="NAME", help="make a key of this name")
    parser.add_argument("--statements", metavar="FOLDER", type=Path, help="keep a signed copy of every statement")
    parser.add_argument("--exchange-key", action="append", default=[], help="a public key of the exchange")
    parser.add_argument("key_file", type=Path)
    parser.add_argument("state", type=Path, nargs="?")
    parser.add_argument("url", nargs="?")
    asked = parser.parse_args(arguments)
    if not asked.new and not (asked.state and asked.url and asked.exchange_key):
        parser.error("a witness needs STATE, URL and --exchange-key")
    try:
        if asked.new:
            made = new_key(asked.new, asked.key_file) + "\n"
        else:
            url = asked.url.rstrip("/")
            made = witness(asked.key_file, asked.state, url, asked.exchange_key)
            if asked.statements:
                copy_statements(asked.key_file, asked.state, asked.statements, url, asked.exchange_key)
    except (ValueError, IndexError, OSError, HTTPException) as error:
        sys.stderr.write(f"NOT SIGNED: {error}\n")
        return 1
    sys.stdout.write(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
