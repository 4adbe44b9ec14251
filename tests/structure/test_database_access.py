"""Is the database asked in the one way, and is money counted in whole numbers?"""

from __future__ import annotations

import ast

from tests.support.source import Module, below, source_modules

RAW = frozenset({"text", "sa.text", "sqlalchemy.text", "db.text", "exec_driver_sql"})
COUNTS_MONEY = (
    "exchange/money.py",
    "exchange/ledger",
    "exchange/settlement.py",
    "providers/reserves.py",
    "enrollment/contributions.py",
    "enrollment/contribution_rules.py",
    "enrollment/switching.py",
    "enrollment/leave.py",
)


class TestQuery:
    def test_is_a_select_never_an_attribute_of_a_model(self) -> None:
        found = [
            module.where(node)
            for module in source_modules()
            for node in ast.walk(module.tree)
            if isinstance(node, ast.Attribute)
            and node.attr == "query"
            and isinstance(node.value, ast.Name)
            and node.value.id[:1].isupper()
        ]

        assert found == []

    def test_takes_values_as_parameters(self) -> None:
        found = [
            module.where(call)
            for module in source_modules()
            for name, call in module.calls()
            if (name in RAW or name.endswith(".exec_driver_sql")) and call.args and not is_fixed(call.args[0])
        ]

        assert found == []

    def test_is_committed_by_the_unit_of_work_alone(self) -> None:
        found = [
            module.where(call)
            for module in source_modules()
            for name, call in module.calls()
            if name == "db.session.commit" and module.path != "exchange/database.py"
        ]

        assert found == []


class TestMoney:
    def test_is_never_a_float(self) -> None:
        counting = [module for module in source_modules() if below(module.path, COUNTS_MONEY)]

        found = [f"{module.where(node)}: {ast.unparse(node)}" for module in counting for node in floats(module)]

        assert found == []


def is_fixed(node: ast.expr) -> bool:
    """Whether a statement's text is what stands in the source: no value is put into it."""
    if isinstance(node, ast.JoinedStr):
        return not any(isinstance(part, ast.FormattedValue) for part in node.values)
    if isinstance(node, ast.BinOp):
        return is_fixed(node.left) and is_fixed(node.right)
    if isinstance(node, ast.Call):
        return not ast.unparse(node.func).endswith(".format")
    return True


def floats(module: Module) -> list[ast.AST]:
    """Where a float is written, made, or comes of a division."""
    return [
        node
        for node in ast.walk(module.tree)
        if (isinstance(node, ast.Constant) and isinstance(node.value, float))
        or (isinstance(node, ast.Name) and node.id == "float")
        or (isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div))
    ]
