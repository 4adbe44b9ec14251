"""Does the tree name only what every machine has: no registry, no path of the machine it was written on?"""

from __future__ import annotations

import re

from tests.support.source import files, read

BINARY = (".png", ".jpg", ".jpeg", ".woff2", ".gz", ".ico", ".webp", ".pdf", ".mo")
LOCK = re.compile(r"(^|/)(package-lock\.json|[^/]*\.lock|requirements/[^/]*\.txt)$")
MACHINE_PATH = re.compile(r"(?:^|[^A-Za-z0-9_.])/(?:work|farm|root|tmp|home/[a-z]+)/[A-Za-z.]", re.MULTILINE)
REGISTRY = re.compile(r"pypi\.org|pythonhosted\.org|npmjs\.(?:org|com)|deb\.debian\.org|proxy\.golang\.org")


def lines_with(pattern: re.Pattern[str], paths: list[str]) -> list[str]:
    """``path:line`` of every match."""
    return [
        f"{path}:{text.count(chr(10), 0, match.start()) + 1}"
        for path in paths
        if not path.endswith(BINARY)
        for text in [read(path)]
        for match in pattern.finditer(text)
    ]


class TestLock:
    def test_is_there_for_python_and_for_the_front_end(self) -> None:
        locks = {path for path in files() if LOCK.search(path)}

        assert {"requirements/run.txt", "requirements/test.txt", "requirements/node.txt", "package-lock.json"} <= locks

    def test_names_no_address(self) -> None:
        locks = [path for path in files() if LOCK.search(path)]

        assert lines_with(re.compile(re.escape(":" + "//")), locks) == []

    def test_has_a_hash_for_every_python_package(self) -> None:
        unhashed = [
            f"{path}: {line}"
            for path in files()
            if LOCK.search(path) and path.startswith("requirements/")
            for line in read(path).splitlines()
            if "==" in line and not line.rstrip().endswith("\\")
        ]

        assert unhashed == []

    def test_of_the_tests_runs_what_the_program_runs(self) -> None:
        assert versions("requirements/run.txt").items() <= versions("requirements/test.txt").items()


class TestTree:
    def test_names_no_path_of_one_machine(self) -> None:
        assert lines_with(MACHINE_PATH, list(files())) == []

    def test_names_no_registry(self) -> None:
        others = [path for path in files() if path != "tests/structure/test_tree.py"]

        assert lines_with(REGISTRY, others) == []


def versions(path: str) -> dict[str, str]:
    """Package (with its condition) → exact version, of a lock."""
    pinned = re.finditer(r"^(?P<name>\S+)==(?P<version>\S+)(?P<condition>[^\\\n]*)", read(path), re.MULTILINE)
    return {match["name"] + match["condition"].rstrip(): match["version"] for match in pinned}
