"""Who signed these lines?  Signed notes as C2SP describes them, with Ed25519.

A note is a text whose lines end with LF, a blank line, and lines ``— name base64(key id || signature)``.
A verifying key is written ``name+key id+base64(0x01 || public key)``, a signing key the same behind
``PRIVATE+KEY+``: one line that can be read over the phone.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_ED25519: Final = b"\x01"
_PRIVATE: Final = "PRIVATE+KEY+"
_LINE: Final = re.compile(r"— (?P<name>[^\s+]+) (?P<blob>[A-Za-z0-9+/]+={0,2})")
_NAME: Final = re.compile(r"[^\s+]+")


class BadNote(ValueError):
    """The text is no signed note, or a signature on it does not hold."""


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """A name and the public key that answers for it."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """Four bytes that tell the keys of one name apart."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(_ED25519 + self.public).decode()}"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A name and its private key (32 bytes, RFC 8032)."""

    name: str
    seed: bytes

    def __post_init__(self) -> None:
        assert is_name(self.name), "a key's name has no blanks and no plus sign"

    @property
    def verifying(self) -> VerifyingKey:
        """The half that everybody may know."""
        return VerifyingKey(self.name, Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw())

    def line(self, text: str) -> str:
        """The signature line for a text, with its LF."""
        signature = Ed25519PrivateKey.from_private_bytes(self.seed).sign(text.encode())
        return f"— {self.name} {base64.b64encode(self.verifying.key_id + signature).decode()}\n"

    def secret(self) -> str:
        """The line that a key file holds."""
        key_id = self.verifying.key_id.hex()
        return f"{_PRIVATE}{self.name}+{key_id}+{base64.b64encode(_ED25519 + self.seed).decode()}"


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: whose it claims to be, and its bytes."""

    name: str
    key_id: bytes
    signature: bytes


def is_name(name: str) -> bool:
    """Whether a key can be called so: a signature line could not be read otherwise."""
    return _NAME.fullmatch(name) is not None


def sign(text: str, keys: Sequence[SigningKey]) -> str:
    """The note: ``text`` (its last line ends with LF) signed by every key."""
    assert text.endswith("\n") and "\n\n" not in text, "a note's text ends with LF and has no blank line"
    return text + "\n" + "".join(key.line(text) for key in keys)


def parts(note: str) -> tuple[str, list[Signature]]:
    """The text and the signatures of a note, not verified. Raises ``BadNote``."""
    text, gap, lines = note.rpartition("\n\n")
    if not gap or not lines.endswith("\n"):
        raise BadNote("this is no signed note")
    return text + "\n", [_signature(line) for line in lines[:-1].split("\n")]


def signers(note: str, keys: Collection[VerifyingKey]) -> frozenset[VerifyingKey]:
    """The keys whose signatures hold. Raises ``BadNote`` when one of a known key does not; others are passed over."""
    text, signatures = parts(note)
    known = {(key.name, key.key_id): key for key in keys}
    found = set()
    for signature in signatures:
        key = known.get((signature.name, signature.key_id))
        if key is None:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(key.public).verify(signature.signature, text.encode())
        except InvalidSignature as error:
            raise BadNote(f"the signature of {key.name} does not hold") from error
        found.add(key)
    return frozenset(found)


def verifying_key(line: str) -> VerifyingKey:
    """Read ``name+key id+base64``. Raises ``BadNote``."""
    name, key_id, content = _fields(line)
    key = VerifyingKey(name, content)
    if key.key_id.hex() != key_id:
        raise BadNote("the key's id does not belong to its name and content")
    return key


def signing_key(line: str) -> SigningKey:
    """Read what ``SigningKey.secret`` wrote. Raises ``BadNote``."""
    if not line.startswith(_PRIVATE):
        raise BadNote("this is no signing key")
    name, key_id, seed = _fields(line.removeprefix(_PRIVATE))
    key = SigningKey(name, seed)
    if key.verifying.key_id.hex() != key_id:
        raise BadNote("the key's id does not belong to its name and content")
    return key


def decode(text: str) -> bytes:
    """Base64 with padding, in its one canonical spelling. Raises ``BadNote``."""
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadNote("this is no base64") from error
    if base64.b64encode(content).decode() != text:
        raise BadNote("this base64 is not spelled as it should be")
    return content


def _signature(line: str) -> Signature:
    match = _LINE.fullmatch(line)
    if match is None:
        raise BadNote("a signature line is not of the known form")
    blob = decode(match["blob"])
    if len(blob) != 4 + 64:
        raise BadNote("a signature has another length than Ed25519's")
    return Signature(match["name"], blob[:4], blob[4:])


def _fields(line: str) -> tuple[str, str, bytes]:
    fields = line.strip().split("+", 2)
    if len(fields) != 3:
        raise BadNote("a key is written name+id+base64")
    name, key_id, blob = fields
    content = decode(blob)
    if content[:1] != _ED25519 or len(content) != 33:
        raise BadNote("this is no Ed25519 key")
    return name, key_id, content[1:]
