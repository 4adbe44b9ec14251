"""What do the shell's tests stand on?  An application of their own: no login, no tables, every macro."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.exchange.web import styleguide


@pytest.fixture
def app() -> Flask:
    """The styleguide's application. The test stands in no context, so each request has its own."""
    return styleguide.create_app()
