"""With which settings does the program run?  Read from the environment once, and checked before anything starts.

Each setting stands below with its meaning; docs/settings.md is held against this list. What is missing or
senseless stops the program with a sentence that says what to set. Secrets have no default: only a demo makes its
own, once, and keeps them in ``var/``, and a test makes new ones each time.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from cryptography.fernet import Fernet
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from exchange.connections import POOL, TIMEOUTS, Connecting, engine_options, figures, is_schema
from exchange.policy.reading import read_file

ROOT = Path(__file__).parents[1]
VAR = ROOT / "var"
SHORTEST_SECRET = 16


@dataclass(frozen=True, slots=True)
class Setting:
    """One variable of the environment: its meaning, and what holds when it is not set."""

    name: str
    meaning: str
    default: str | None = None


def _said(defaults: Mapping[str, int]) -> str:
    return " ".join(f"{name}={number}" for name, number in defaults.items())


RECORDS = {"provider": 100_000, "employer": 400_000}
"""A little more than the largest roster there is to be; an employer's largest report twice."""
SETTINGS = (
    Setting(
        "DATABASE_URL", "Where everything is kept: an address of SQLite or PostgreSQL.", "sqlite:///var/exchange.db"
    ),
    Setting("PROGRAM_SCHEMA", "The program's schema on PostgreSQL; without one the database's own search path holds."),
    Setting("DATABASE_POOL", "Connections of a process: size, overflow, recycle and wait in seconds.", _said(POOL)),
    Setting("DATABASE_TIMEOUTS", "Seconds: to connect, of a statement, for a lock, idle.", _said(TIMEOUTS)),
    Setting("DATABASE_POOLER", "1: the address is that of a pooler in transaction mode.", "0"),
    Setting("SECRET_KEY", "Signs sessions and reset links. At least 16 characters; a new one signs everybody out."),
    Setting(
        "TOTP_SECRETS", 'Encrypt the second factors, as JSON: {"1": "…"}. The highest number encrypts; keep the others.'
    ),
    Setting("RECOVERY_KEYS", "Encrypt recovery codes: Fernet keys with commas between, the newest first."),
    Setting(
        "DEMO", "1: a demonstration. Anybody signs in as anybody and moves the clock. Never with real people.", "0"
    ),
    Setting("PROGRAM_POLICY", "The law as data: a file in policies/.", "washington_demo.yaml"),
    Setting("PROGRAM_NAME", "What the exchange calls itself.", "Portable Benefits Exchange"),
    Setting("SERVER_HOSTS", "Names under which the site is reached, with commas between.", "localhost,127.0.0.1,[::1]"),
    Setting("PROXIES", "How many proxies stand in front, whose X-Forwarded-For and -Proto are believed.", "0"),
    Setting("URL_SCHEME", "https, or http for a machine that only serves itself. A demo's default is http.", "https"),
    Setting("MAIL_SERVER", "host:port of the mail server. Without one letters wait in the table outgoing_mail."),
    Setting("MAIL_SENDER", "The address that letters come from.", "no-reply@localhost"),
    Setting("EXCHANGE_ID", "What the exchange is called in seals and statements: its host name.", "localhost"),
    Setting("SEAL_KEYS", "The folder with the keys that sign seals and statements; without one nothing is sealed."),
    Setting(
        "REGULATOR_CONTACT",
        "How people reach the regulator: shown to a worker where a check of his balances does not hold.",
    ),
    Setting("BUNDLES", "The folder in which bundles lie that regulators asked for, for three days.", "var/bundles"),
    Setting("LOCAL_BANK", "1: payments go through the local bank, where no money moves; a demo's default.", "0"),
    Setting("METRICS_TOKEN", "Opens /metrics as a bearer token, at least 16 characters; without one it stays shut."),
    Setting("KEPT_PAGES_MIB", "Memory that each web process spends on pages it has written, in MiB; 0: none.", "64"),
    Setting(
        "RECORDS_AN_HOUR",
        "Records about workers that one organization takes out in an hour, by its kind: files, and what programs read.",
        _said(RECORDS),
    ),
    Setting("LOG_FORMAT", "json: a line for each event; text for people. A demo's default is text.", "json"),
)
"""Every variable that the program reads; nothing else is taken from the environment."""


class BadSetting(click.ClickException):
    """A setting is missing or makes no sense: the program does not start, and a command says why in one line."""


def read(environ: Mapping[str, str] | None = None, given: Mapping[str, object] | None = None) -> dict[str, Any]:
    """The application's configuration. What is ``given`` by the caller (a test, a tool) wins over the environment.

    Raises ``BadSetting`` with a sentence for the operator.
    """
    environ = os.environ if environ is None else environ
    values = {setting.name: environ.get(setting.name) or setting.default for setting in SETTINGS}
    given = dict(given or {})
    demo = _switch(values["DEMO"], "DEMO")
    config: dict[str, Any] = {
        "DEMO": demo,
        "TESTING": False,
        "SQLALCHEMY_DATABASE_URI": values["DATABASE_URL"],
        "PROGRAM_POLICY": values["PROGRAM_POLICY"],
        "PROGRAM_NAME": values["PROGRAM_NAME"],
        "PROXIES": _whole(values, "PROXIES"),
        "TRUSTED_HOSTS": str(values["SERVER_HOSTS"]).split(","),
        "MAIL_SERVER": values["MAIL_SERVER"],
        "MAIL_SENDER": values["MAIL_SENDER"],
        "EXCHANGE_ID": values["EXCHANGE_ID"],
        "SEAL_KEYS": values["SEAL_KEYS"],
        "REGULATOR_CONTACT": values["REGULATOR_CONTACT"],
        "BUNDLES": str(ROOT / str(values["BUNDLES"])),
        "METRICS_TOKEN": values["METRICS_TOKEN"],
        "KEPT_PAGES_MIB": _whole(values, "KEPT_PAGES_MIB"),
        "RECORDS_AN_HOUR": _figures(values, "RECORDS_AN_HOUR", RECORDS),
        **given,
    }
    config.setdefault("PROGRAM_ZONE", _zone_of(str(config["PROGRAM_POLICY"])))
    by_itself = bool(config["DEMO"] or config["TESTING"])
    config.setdefault(
        "PREFERRED_URL_SCHEME", "http" if by_itself and not environ.get("URL_SCHEME") else values["URL_SCHEME"]
    )
    if config["PREFERRED_URL_SCHEME"] not in {"http", "https"}:
        raise BadSetting("URL_SCHEME is https or http.")
    config.setdefault("LOCAL_BANK", by_itself or _switch(values["LOCAL_BANK"], "LOCAL_BANK"))
    config.setdefault("LOG_FORMAT", "text" if by_itself and not environ.get("LOG_FORMAT") else values["LOG_FORMAT"])
    if config["LOG_FORMAT"] not in {"json", "text"}:
        raise BadSetting("LOG_FORMAT is json or text.")
    if config["METRICS_TOKEN"] and len(config["METRICS_TOKEN"]) < SHORTEST_SECRET:
        raise BadSetting(f"METRICS_TOKEN is shorter than {SHORTEST_SECRET} characters.")
    config = _database(values, config)
    return {**config, **_secrets(values, given, demo=bool(config["DEMO"]), testing=bool(config["TESTING"]))}


def _database(values: Mapping[str, str | None], config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with where the database is, and how it is connected to."""
    url = _database_url(str(config["SQLALCHEMY_DATABASE_URI"]))
    schema = config.get("PROGRAM_SCHEMA") or values["PROGRAM_SCHEMA"]
    if schema and (url.get_backend_name() != "postgresql" or not is_schema(schema)):
        raise BadSetting("PROGRAM_SCHEMA is a PostgreSQL schema's name: small letters, digits and underscores.")
    how = Connecting(
        schema,
        _figures(values, "DATABASE_POOL", POOL),
        _figures(values, "DATABASE_TIMEOUTS", TIMEOUTS),
        behind_pooler=_switch(values["DATABASE_POOLER"], "DATABASE_POOLER"),
    )
    return {
        "SQLALCHEMY_ENGINE_OPTIONS": engine_options(url, how),
        **config,
        "PROGRAM_SCHEMA": schema,
        "DATABASE_POOLER": how.behind_pooler,
        "SQLALCHEMY_DATABASE_URI": url.render_as_string(hide_password=False),
    }


def _whole(values: Mapping[str, str | None], name: str) -> int:
    text = values[name] or ""
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise BadSetting(f"{name} is a whole number.")
    return int(text)


def _figures(values: Mapping[str, str | None], name: str, defaults: Mapping[str, int]) -> dict[str, int]:
    try:
        return figures(values[name], defaults)
    except ValueError as error:
        raise BadSetting(f"{name} is like “{_said(defaults)}”; this is not: {error}") from error


def _switch(text: str | None, name: str) -> bool:
    if text not in {"0", "1"}:
        raise BadSetting(f"{name} is 1 or 0.")
    return text == "1"


def _database_url(text: str) -> URL:
    """The address with our driver for PostgreSQL; an SQLite file's path is taken from the project's folder."""
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise BadSetting("DATABASE_URL is no address of a database, like postgresql://user@host/name.") from error
    if url.get_backend_name() == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() != "sqlite":
        raise BadSetting("DATABASE_URL names neither SQLite nor PostgreSQL.")
    if url.database and url.database != ":memory:":
        path = ROOT / url.database
        path.parent.mkdir(parents=True, exist_ok=True)
        return url.set(database=str(path))
    return url


# --- secrets ----------------------------------------------------------------------------------


def _secrets(
    values: Mapping[str, str | None], given: Mapping[str, object], *, demo: bool, testing: bool
) -> dict[str, Any]:
    wanted: dict[str, Any] = {
        name: given.get(name) or values[name] for name in ("SECRET_KEY", "TOTP_SECRETS", "RECOVERY_KEYS")
    }
    missing = [name for name, value in wanted.items() if not value]
    if missing and testing:
        wanted |= {name: value for name, value in _new_secrets().items() if name in missing}
    elif missing and demo:
        wanted |= {name: value for name, value in _kept_secrets(VAR / "demo-secrets.json").items() if name in missing}
    elif missing:
        raise BadSetting(f"Set {' and '.join(missing)} in the environment (or DEMO=1 for a demonstration).")
    if len(wanted["SECRET_KEY"]) < SHORTEST_SECRET:
        raise BadSetting(f"SECRET_KEY is shorter than {SHORTEST_SECRET} characters.")
    return {
        "SECRET_KEY": wanted["SECRET_KEY"],
        "SECURITY_TOTP_SECRETS": _totp_secrets(wanted["TOTP_SECRETS"]),
        "SECURITY_MULTI_FACTOR_RECOVERY_CODES_KEYS": _fernet_keys(wanted["RECOVERY_KEYS"]),
    }


def _new_secrets() -> dict[str, str]:
    return {
        "SECRET_KEY": secrets.token_urlsafe(32),
        "TOTP_SECRETS": json.dumps({"1": secrets.token_urlsafe(32)}),
        "RECOVERY_KEYS": Fernet.generate_key().decode(),
    }


def _zone_of(policy_file: str) -> str:
    """The zone whose dates the program lives by."""
    path = ROOT / "policies" / policy_file
    if not path.is_file():
        raise BadSetting(f"PROGRAM_POLICY names no file in policies/: {policy_file}")
    return read_file(path).versions[-1].zone


def _kept_secrets(path: Path) -> dict[str, str]:
    """A demo's own secrets, made the first time: web and scheduler read the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(_new_secrets(), file)
    except FileExistsError:
        pass
    kept: dict[str, str] = json.loads(path.read_text())
    return kept


def _totp_secrets(text: str) -> dict[int, str]:
    try:
        found = {int(key): str(value) for key, value in json.loads(text).items()}
    except (ValueError, AttributeError) as error:
        raise BadSetting('TOTP_SECRETS is JSON like {"1": "a long secret"}.') from error
    if not found or any(len(value) < SHORTEST_SECRET for value in found.values()):
        raise BadSetting(f"TOTP_SECRETS needs at least one secret of {SHORTEST_SECRET} characters.")
    return found


def _fernet_keys(text: str) -> list[bytes]:
    keys = [key.encode() for key in text.split(",")]
    try:
        for key in keys:
            Fernet(key)
    except ValueError as error:
        raise BadSetting("RECOVERY_KEYS are Fernet keys (32 bytes, URL-safe base64), commas between.") from error
    return keys
