"""The `till` command: entry, exit codes, and the promise that no error of the world ends in a
traceback.

A module for each area of commands; each reads the configuration, calls one function and prints its
result. This file stays light: `till --version` needs no library of theirs. Exit codes: 0 done, 1
finding, 2 usage, 65 bad data, 69 unavailable, 75 try again, 77 permission, 78 configuration.
May import: every room, and simulators and drivers inside functions. Nobody imports it.
"""

import os
import sys
from importlib import import_module
from typing import NoReturn

from gateway.errors import DataError, GatewayError, PermissionDenied, TryAgain
from gateway.store.engine import StorageBusy, is_other_schema

# in the order of till --help
AREAS = (
    "setup", "devices", "serving", "office", "sessions", "policy", "keeping", "ledger", "incidents",
    "audit", "fleet", "commands", "instruments", "learn", "simulated",
)  # fmt: skip


def main() -> NoReturn:
    """Run the command line and leave with its exit code."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        print(f"till {version()}")
        sys.exit(0)
    try:
        if sys.argv[1:2] == ["serve"]:
            from gateway.cli.running import serve

            serve(sys.argv[2:])
            sys.exit(0)
        from gateway.cli.app import app

        for area in AREAS:
            import_module(f"gateway.cli.{area}")
        app(prog_name="till")
    except GatewayError as error:
        _leave(error)
    except PermissionError as error:
        _leave(
            PermissionDenied(
                f"{error.filename or 'file'}: {error.strerror}; run as its owner or give yourself"
                " access"
            )
        )
    except KeyboardInterrupt:
        sys.exit(130)  # as Typer does
    except BrokenPipeError:
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
        )  # the reader went away: nobody to tell
        sys.exit(0)
    except StorageBusy as error:
        if is_other_schema(error):
            _leave(
                DataError(
                    f"ledger: {error}; another program changed its schema meanwhile: till check"
                    " tells which version it has and which one this program knows"
                )
            )
        _leave(TryAgain(f"ledger: {error}; free the disk or end the other process and try again"))
    except OSError as error:
        _leave(
            TryAgain(
                f"{error.filename or 'operating system'}: {error.strerror or error}; correct it and"
                " try again"
            )
        )
    sys.exit(0)


def version() -> str:
    """Of the installed distribution; of the source tree when there is none."""
    from importlib import metadata

    try:
        return metadata.version("tillstream")
    except metadata.PackageNotFoundError:
        return "0 (source tree)"


def _leave(error: GatewayError) -> NoReturn:
    from gateway.terminal import printable

    print(printable(f"till: {error}", keep="\n"), file=sys.stderr)
    sys.exit(error.exit_code)
