"""What can the operator do about workers and employers from the command line?"""

from __future__ import annotations

from typing import Final

import click

IMPORTERS: Final[list[click.Command]] = []
COMMANDS: Final[list[click.Command]] = []
