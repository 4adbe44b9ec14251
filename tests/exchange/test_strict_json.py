"""Is a JSON text taken only when it can be read in one way?"""

from __future__ import annotations

import pytest

from exchange.strict_json import BadJson, parse_json


class TestParseJson:
    def test_gives_the_plain_value(self) -> None:
        raw = '{"lines": [{"number": "PB", "cents": 1204, "half": 0.5, "note": null, "paid": true, "é": "[{"}]}'

        assert parse_json(raw.encode()) == {
            "lines": [{"number": "PB", "cents": 1204, "half": 0.5, "note": None, "paid": True, "é": "[{"}]
        }

    @pytest.mark.parametrize(
        ("raw", "sentence"),
        [
            (b'{"a": 1, "a": 2}', "key “a” is there twice"),
            (b'{"x": {"a": 1, "\\u0061": 2}}', "key “a” is there twice"),
            (b"[NaN]", "NaN is not a number"),
            (b"[Infinity]", "Infinity is not a number"),
            (b"[-Infinity]", "-Infinity is not a number"),
            (b"[1e999]", "too large"),
            (b"[" + b"9" * 5_000 + b"]", "too large"),
            (b"[" * 21 + b"]" * 21, "deeper than 20"),
            (b'{"a":' * 100_000, "deeper than 20"),
            (b"[1,]", "not JSON: line 1"),
            (b"[1] 2", "not JSON: line 1"),
            (b"['a']", "not JSON"),
            (b'["a\nb"]', "not JSON"),
            (b'["abc', "not JSON"),
            (b"", "not JSON"),
            (b"\xef\xbb\xbf[]", "not JSON"),
            (b'["\xe9"]', "not UTF-8"),
            (b'["\\u0000"]', "cannot be kept"),
            (b'["\\ud800"]', "cannot be kept"),
            (b'{"\\ud800": 1}', "cannot be kept"),
        ],
    )
    def test_refuses_what_two_readers_might_read_differently(self, raw: bytes, sentence: str) -> None:
        with pytest.raises(BadJson, match=sentence):
            parse_json(raw)

    def test_takes_twenty_levels(self) -> None:
        assert parse_json(b"[" * 20 + b"]" * 20)

    def test_does_not_count_brackets_inside_texts(self) -> None:
        assert parse_json(b'["' + b"[" * 50 + b'\\"[[["]')

    def test_refuses_more_than_was_asked_for(self) -> None:
        with pytest.raises(BadJson, match="larger than 1 MB"):
            parse_json(b" " * 1_000_001, max_bytes=1_000_000)
