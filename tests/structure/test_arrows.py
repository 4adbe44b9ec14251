"""Does nothing point upward that import-linter cannot see? (The packages' own arrows stand in pyproject.toml.)"""

from __future__ import annotations

import sys

from tests.support.source import PACKAGES, Module, below, modules, source_modules

MAY_IMPORT_APP = ("demo.py", "tests", "benchmarks", "migrations", "tools")
MAY_IMPORT_DEMO = ("tests", "benchmarks", "tools")


def importers(name: str, *, among: list[Module]) -> list[str]:
    """Where ``name`` or anything in it is imported."""
    return [
        module.where(node)
        for module in among
        for imported, node in module.imports()
        if imported == name or imported.startswith(f"{name}.")
    ]


class TestArrows:
    def test_point_to_the_app_from_nothing_but_the_demo(self) -> None:
        others = [module for module in modules() if not below(module.path, MAY_IMPORT_APP)]

        assert importers("app", among=others) == []

    def test_point_to_the_demo_from_nothing(self) -> None:
        others = [module for module in modules() if not below(module.path, MAY_IMPORT_DEMO)]

        assert importers("demo", among=others) == []

    def test_point_to_the_demonstrations_town_from_nothing_but_the_demo(self) -> None:
        others = [module for module in modules() if not below(module.path, ("demo.py", "town", "tests"))]

        assert importers("town", among=others) == []

    def test_point_to_stripe_from_its_gateway_alone(self) -> None:
        others = [module for module in modules() if module.path != "exchange/payments/stripe_gateway.py"]

        assert importers("stripe", among=[module for module in others if not below(module.path, ("tests",))]) == []

    def test_leave_the_verifier_alone(self) -> None:
        verifier = [module for module in modules() if below(module.path, ("verifier",))]

        for package in (*PACKAGES, "app", "demo"):
            assert importers(package, among=verifier) == []

    def test_of_the_verifier_end_in_the_standard_library_and_signatures(self) -> None:
        verifier = [module for module in modules() if below(module.path, ("verifier",))]

        foreign = [
            f"{module.where(node)}: {imported}"
            for module in verifier
            for imported, node in module.imports()
            if imported.split(".")[0] not in {*sys.stdlib_module_names, "verifier", "cryptography"}
        ]

        assert foreign == []

    def test_cross_no_package_by_a_relationship(self) -> None:
        """A backref across packages is an import cycle that the tools cannot see."""
        found = [
            module.where(call)
            for module in source_modules()
            for name, call in module.calls()
            if name.split(".")[-1] in {"relationship", "backref"}
            and any(
                _is_of_another_package(argument.value, module) for argument in call.args if hasattr(argument, "value")
            )
        ]

        assert found == []


def _is_of_another_package(target: object, module: Module) -> bool:
    package = module.path.split("/")[0]
    if not isinstance(target, str):
        return False
    homes = {
        other.path.split("/")[0] for other in source_modules() if f"\nclass {target.split('.')[-1]}(" in other.text
    }
    return bool(homes) and package not in homes
