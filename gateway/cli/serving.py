"""till serve as Typer lists it. `main` does not come here: it calls running.py at once."""

from __future__ import annotations

import typer

from gateway.cli import running
from gateway.cli.app import app

_AS_IT_IS = {"allow_extra_args": True, "ignore_unknown_options": True}


@app.command(help=running.ABOUT, context_settings=_AS_IT_IS, add_help_option=False)
def serve(context: typer.Context) -> None:
    running.serve(context.args)
