"""Which pages show and change what providers offer?"""

from __future__ import annotations

from flask import Blueprint

BLUEPRINTS: list[Blueprint] = []
