"""Is the exchange's journal still the one that the regulator saw last?  The witness's side.

    python witness.py KEYFILE STATE URL --exchange-key VKEY     fetches, checks, remembers, prints the signed note
    python witness.py --new NAME KEYFILE                        makes a key

The witness remembers the last checkpoint in STATE. It signs a new one only if the exchange signed it
and shows that it extends the remembered one. The note on the standard output is handed back to the
exchange (``flask cosign``). Needs Python 3.11 and ``cryptography``, and ``verify.py`` beside it in a
folder called ``verifier``.
"""

from __future__ import annotations

import argparse
import base64
import os
import secrets
import sys
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

sys.path.insert(0, str(Path(__file__).parents[1]))
from verifier.verify import Head, Keys, b64, checkpoint, extends, need, sha

Fetch = Callable[[str], str]
SECONDS = 20


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
    name, spelled = key_file.read_text(encoding="utf-8").splitlines()
    seed = b64(spelled, 32)
    known = Keys([*exchange_keys, public_half(name, seed)])
    note = fetch(f"{url}/.well-known/pbx/checkpoint")
    text = note.rpartition("\n\n")[0] + "\n"
    # Other witnesses may have signed before; the exchange's own signature is the one that is asked for.
    ours = [line for line in note[len(text) + 1 :].splitlines(keepends=True) if is_known(line, exchange_keys)]
    exchange = text.partition("/journal\n")[0]
    head, _ = checkpoint(f"{text}\n{''.join(ours)}", known, exchange)
    if state.exists():
        seen, _ = checkpoint(state.read_text(encoding="utf-8"), known, exchange)
        compare(seen, head, lambda: fetch(f"{url}/.well-known/pbx/consistency/{seen.size}/{head.size}"))
    signed = f"{text}\n{''.join(ours)}{signature_line(text, name, seed)}"
    draft = state.with_suffix(".new")
    with draft.open("w", encoding="utf-8") as file:
        file.write(signed)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(state)
    return signed


def is_known(line: str, exchange_keys: Sequence[str]) -> bool:
    """Whether a signature line is by one of the keys."""
    return any(line.startswith(f"— {key.split('+', 1)[0]} ") for key in exchange_keys)


def compare(seen: Head, head: Head, proof: Callable[[], str]) -> None:
    """The new head extends the one that was seen; a smaller one, or another of the same size, does not."""
    need(head.size >= seen.size, f"a journal of {head.size} entries, after one of {seen.size}: it was set back")
    path = [] if head == seen else [b64(line, 32).hex() for line in proof().splitlines()]
    extends(seen, head, path)


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when the checkpoint was signed, 1 when it was refused."""
    parser = argparse.ArgumentParser(description="Check and sign the newest checkpoint of a benefits exchange.")
    parser.add_argument("--new", metavar="NAME", help="make a key of this name")
    parser.add_argument("--exchange-key", action="append", default=[], help="a public key of the exchange")
    parser.add_argument("key_file", type=Path)
    parser.add_argument("state", type=Path, nargs="?")
    parser.add_argument("url", nargs="?")
    asked = parser.parse_args(arguments)
    if asked.new:
        sys.stdout.write(new_key(asked.new, asked.key_file) + "\n")
        return 0
    if not (asked.state and asked.url and asked.exchange_key):
        parser.error("a witness needs STATE, URL and --exchange-key")
    try:
        sys.stdout.write(witness(asked.key_file, asked.state, asked.url.rstrip("/"), asked.exchange_key))
    except (ValueError, IndexError, OSError) as error:
        sys.stderr.write(f"NOT SIGNED: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
