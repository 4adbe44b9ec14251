"""Which pages show and change what providers offer?"""

from __future__ import annotations

from flask import Blueprint

from providers.pages import public_packages, public_providers

BLUEPRINTS: list[Blueprint] = [public_packages.bp, public_providers.bp]
