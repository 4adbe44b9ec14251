"""Does the program start with sound settings only?"""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from exchange import settings
from exchange.settings import BadSetting, read

SOUND = {
    "SECRET_KEY": "k" * 32,
    "TOTP_SECRETS": json.dumps({"1": "t" * 32}),
    "RECOVERY_KEYS": Fernet.generate_key().decode(),
}


class TestRead:
    def test_takes_sound_settings(self) -> None:
        config = read(SOUND)

        assert config["SECURITY_TOTP_SECRETS"] == {1: "t" * 32}
        assert (config["DEMO"], config["PREFERRED_URL_SCHEME"]) == (False, "https")
        assert config["SQLALCHEMY_DATABASE_URI"] == f"sqlite:///{settings.ROOT / 'var' / 'exchange.db'}"

    @pytest.mark.parametrize("name", SOUND)
    def test_refuses_to_start_without_a_secret(self, name: str) -> None:
        with pytest.raises(BadSetting, match=name):
            read({key: value for key, value in SOUND.items() if key != name})

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("SECRET_KEY", "short"),
            ("TOTP_SECRETS", "no json"),
            ("TOTP_SECRETS", "[1]"),
            ("TOTP_SECRETS", "{}"),
            ("TOTP_SECRETS", '{"one": "tttttttttttttttttttttttt"}'),
            ("TOTP_SECRETS", '{"1": "short"}'),
            ("RECOVERY_KEYS", "no key"),
            ("DATABASE_URL", "no address"),
            ("DATABASE_URL", "mysql://localhost/x"),
            ("DEMO", "yes"),
            ("URL_SCHEME", "gopher"),
            ("PROXIES", "one"),
            ("PROGRAM_SCHEMA", "ohio"),  # an SQLite file has none
            ("DATABASE_POOL", "size=many"),
            ("DATABASE_POOL", "sise=5"),
            ("DATABASE_TIMEOUTS", "lock=-1"),
            ("DATABASE_POOLER", "yes"),
            ("METRICS_TOKEN", "short"),
            ("LOG_FORMAT", "xml"),
            ("LOCAL_BANK", "yes"),
        ],
    )
    def test_refuses_what_makes_no_sense_and_names_it(self, name: str, value: str) -> None:
        with pytest.raises(BadSetting, match=name):
            read({**SOUND, name: value})

    def test_of_a_demo_makes_secrets_of_its_own_and_keeps_them(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(settings, "VAR", tmp_path)

        first, second = read({"DEMO": "1"}), read({"DEMO": "1"})

        assert first["SECRET_KEY"] == second["SECRET_KEY"]
        assert first["PREFERRED_URL_SCHEME"] == "http"
        assert stat.S_IMODE((tmp_path / "demo-secrets.json").stat().st_mode) == 0o600

    def test_lets_no_click_count_as_a_payment_unless_somebody_says_so(self) -> None:
        given = [SOUND, {**SOUND, "LOCAL_BANK": "1"}, {**SOUND, "DEMO": "1"}]

        assert [read(one)["LOCAL_BANK"] for one in given] == [False, True, True]

    def test_lets_the_caller_win_over_the_environment(self) -> None:
        assert read({**SOUND, "DEMO": "0"}, {"DEMO": True})["DEMO"] is True


class TestDatabase:
    def test_limits_the_time_of_everything_on_postgresql(self) -> None:
        config = read({**SOUND, "DATABASE_URL": "postgresql://user@localhost/x", "DATABASE_TIMEOUTS": "lock=3"})

        options = config["SQLALCHEMY_ENGINE_OPTIONS"]
        assert config["SQLALCHEMY_DATABASE_URI"].startswith("postgresql+psycopg://")
        assert options["connect_args"]["connect_timeout"] == 5
        assert options["connect_args"]["options"] == (
            "-c statement_timeout=30s -c lock_timeout=3s -c idle_in_transaction_session_timeout=60s"
        )

    def test_leaves_what_the_address_says(self) -> None:
        url = "postgresql://user@localhost/x?options=-csearch_path%3Dohio%20-cstatement_timeout%3D5000"

        options = read({**SOUND, "DATABASE_URL": url})["SQLALCHEMY_ENGINE_OPTIONS"]["connect_args"]["options"]

        assert options.startswith("-csearch_path=ohio -cstatement_timeout=5000 -c lock_timeout=10s")
        assert options.count("statement_timeout") == 1

    def test_says_nothing_at_connect_to_a_pooler(self) -> None:
        environ = {**SOUND, "DATABASE_URL": "postgresql://user@localhost/x", "DATABASE_POOLER": "1"}

        connect = read(environ)["SQLALCHEMY_ENGINE_OPTIONS"]["connect_args"]

        assert "options" not in connect
        assert connect["prepare_threshold"] is None

    def test_takes_sizes_of_the_pool(self) -> None:
        environ = {**SOUND, "DATABASE_URL": "postgresql://user@localhost/x", "DATABASE_POOL": "size=7 wait=1"}

        options = read(environ)["SQLALCHEMY_ENGINE_OPTIONS"]

        assert (options["pool_size"], options["max_overflow"], options["pool_timeout"]) == (7, 3, 1)


class TestDocs:
    def test_name_every_setting_and_no_other(self) -> None:
        page = (settings.ROOT / "docs" / "settings.md").read_text(encoding="utf-8")

        assert re.findall(r"^\| `([A-Z_]+)` \|", page, re.MULTILINE) == [setting.name for setting in settings.SETTINGS]
