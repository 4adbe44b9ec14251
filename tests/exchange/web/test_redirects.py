"""Can a stranger's word send a reader away from this site?"""

from __future__ import annotations

import pytest

from exchange.web.redirects import local_path

FOREIGN = [
    "//evil.example",
    "///evil.example",
    "////evil.example",
    "https://evil.example",
    "http:evil.example",
    "https:evil.example",
    "https:/evil.example",
    "HTTPS://evil.example",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,x",
    "ftp://evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "\\/evil.example",
    "/\\/evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "/\r\n/evil.example",
    "\t//evil.example",
    " //evil.example",
    "/ /evil.example",
    "/%0d%0aSet-Cookie:x=1",
    "/%09/evil.example",
    "/%5cevil.example",
    "/%5Cevil.example",
    "/%2f%2fevil.example",
    "/%2Fevil.example",
    "/a//evil.example",
    "/.//evil.example",
    "/../evil.example",
    "/a/../../evil.example",
    "evil.example",
    "@evil.example",
    "/\u2215evil.example",
    "/\uff0fevil.example",
    "/\u3002",
    "/a b",
    "/a#//evil.example",
    "/?next=\\evil",
    "",
    "/" + "a" * 3_000,
    "/%00",
    "/a\x00b",
    "/<script>",
    '/"onload=',
]


class TestLocalPath:
    @pytest.mark.parametrize("target", FOREIGN)
    def test_takes_no_address_that_a_browser_may_read_as_foreign(self, target: str) -> None:
        assert local_path(target, default="/home") == "/home"

    @pytest.mark.parametrize(
        "target", ["/", "/worker/leave", "/list?page=2&sort=-name", "/a/b-c_d.e~f", "/w?next=/x&q=a+b", "/x/%C3%A9"]
    )
    def test_takes_a_plain_path_of_ours(self, target: str) -> None:
        assert local_path(target, default="/home") == target

    def test_takes_the_default_when_nothing_is_asked(self) -> None:
        assert local_path(None, default="/home") == "/home"
