"""How is the program put together?  The only file of code that sees all packages; nobody imports it.

Every package lists its own parts: ``<package>/pages`` its ``BLUEPRINTS``, ``<package>/commands.py`` its ``COMMANDS``
and the ``IMPORTERS`` of ``flask import``. Whoever adds a page or a command adds it there, not here.
"""

from __future__ import annotations

from collections.abc import Mapping

from flask import Flask
from flask_babel import lazy_gettext as _l
from flask_migrate import Migrate

import enrollment.api
import enrollment.check_statement_jobs
import enrollment.commands
import enrollment.demo
import enrollment.figures
import enrollment.jobs
import enrollment.liability_jobs
import enrollment.pages
import enrollment.reckoning_jobs
import exchange.audit_jobs
import exchange.bundle_jobs
import exchange.commands
import exchange.jobs
import exchange.pages
import exchange.sealing_jobs
import providers.bundle_parts
import providers.commands
import providers.figures
import providers.jobs
import providers.pages
from enrollment import contributions
from exchange import remembered, settings
from exchange.database import db
from exchange.identity.login import sessions, sign_in
from exchange.pages import demo
from exchange.payments import gateway, purposes
from exchange.payments.local_gateway import LocalGateway
from exchange.payments.purposes import Purpose
from exchange.web import log, shell, watched
from exchange.web.sparing import SparingFlask

PAGES = (exchange.pages.BLUEPRINTS, providers.pages.BLUEPRINTS, enrollment.pages.BLUEPRINTS)
COMMANDS = (exchange.commands.COMMANDS, providers.commands.COMMANDS, enrollment.commands.COMMANDS)
IMPORTERS = (providers.commands.IMPORTERS, enrollment.commands.IMPORTERS)
# Importing these modules declares the jobs: see exchange/scheduler/jobs.py.
JOBS = (
    exchange.jobs,
    exchange.audit_jobs,
    exchange.sealing_jobs,
    exchange.bundle_jobs,
    providers.jobs,
    enrollment.jobs,
    enrollment.liability_jobs,
    enrollment.check_statement_jobs,
    enrollment.reckoning_jobs,
)
# Importing this module adds what providers filed to the regulator's bundle: see exchange/ledger/bundle.py.
BUNDLE_PARTS = (providers.bundle_parts,)
# Importing these modules adds their figures to /metrics: see exchange/figures.py.
FIGURES = (providers.figures, enrollment.figures)
# What a payment can be for, and how it is booked: see exchange/payments/purposes.py.
PURPOSES: Mapping[str, Purpose] = {contributions.PURPOSE: Purpose(_l("Contributions"), contributions.book)}


def create_app(config: Mapping[str, object] | None = None) -> Flask:
    """The whole program, configured by the environment and, over it, by ``config``.

    Raises ``settings.BadSetting`` when something needed is missing.
    """
    app = SparingFlask("exchange", root_path=str(settings.ROOT))
    app.config.update(settings.read(given=config))
    db.init_app(app)
    Migrate(app, db, directory=str(settings.ROOT / "migrations"), compare_type=False)
    sessions.init_app(app)
    shell.init_app(app)
    remembered.init_app(app)
    log.init_app(app)
    sign_in.init_app(app)
    watched.init_app(app)
    gateway.init_app(app, LocalGateway() if app.config["LOCAL_BANK"] else None)
    purposes.init_app(app, PURPOSES)
    for blueprint in (blueprint for pages in PAGES for blueprint in pages):
        app.register_blueprint(blueprint)
    enrollment.api.init_app(app)
    if app.config["DEMO"]:
        demo.init_app(app, enrollment.demo.MOMENTS)
    _add_commands(app)
    return app


def _add_commands(app: Flask) -> None:
    importing = exchange.commands.import_group()
    for command in (command for importers in IMPORTERS for command in importers):
        importing.add_command(exchange.commands.in_words(command))
    app.cli.add_command(importing)
    for command in (command for commands in COMMANDS for command in commands):
        app.cli.add_command(exchange.commands.in_words(command))
