"""Which pages show and change what workers hold and employers pay?"""

from __future__ import annotations

from flask import Blueprint

BLUEPRINTS: list[Blueprint] = []
