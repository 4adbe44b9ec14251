"""What can an operator ask of policy files on the command line?"""

from __future__ import annotations

from pathlib import Path

import click

from exchange.policy.nodes import BadPolicy
from exchange.policy.reading import read_file

policy_group = click.Group("policy", help="The law as data.")


@policy_group.command("check")
@click.argument("paths", metavar="FILE…", nargs=-1, required=True, type=click.Path(path_type=Path))
def policy_check(paths: tuple[Path, ...]) -> None:
    """Check policy files; print every problem as file:line: path: rule. Exits 1 if there is any."""
    problems = 0
    for path in paths:
        try:
            document = read_file(path)
        except BadPolicy as refusal:
            problems += len(refusal.problems)
            for problem in refusal.problems:
                click.echo(str(problem))
        except OSError as error:
            problems += 1
            click.echo(f"{path}: {error.strerror}")
        else:
            dates = ", ".join(policy.effective_on.isoformat() for policy in document.versions)
            click.echo(f"{path}: {document.jurisdiction}, versions from {dates}: no problem")
    if problems:
        raise SystemExit(1)
