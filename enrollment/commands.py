"""What can the operator do about workers and employers from the command line?"""

from __future__ import annotations

from typing import Final

import click

from enrollment.cutover_commands import cutover_group
from enrollment.trips import trips_command

IMPORTERS: Final[list[click.Command]] = [trips_command]
COMMANDS: Final[list[click.Command]] = [cutover_group]
