"""`millstream backup`: everything of a home in one file, while it is in use."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from millstream.cli.telling import telling
from millstream.server import Home


@click.command(name="backup")
@click.argument("target", metavar="FILE|FOLDER", type=click.Path(readable=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a sentence.")
@click.pass_obj
def command(home: Home, target: Path, as_json: bool) -> None:
    """Write the home into one file, while it is in use.

    FOLDER gets a new file with the moment in its name. Writes and ticks go on. The file is there when it is complete,
    and not before; nothing is overwritten. It holds all data, the passwords of the roles, models and settings, so keep
    it as private as the home. Deployments wait for the time of it. A home that is down is started for it.

    \b
    Example:
      millstream backup /backups
      millstream backup before-the-upgrade.backup --json
    """
    from millstream.backup import take  # the engine is slow to import, and --help needs none of it

    began = time.monotonic()
    with telling() as tell:
        taken = take(home, target.absolute(), tell)
    seconds = time.monotonic() - began
    if as_json:
        found = {
            "file": str(taken.file),
            "bytes": taken.bytes,
            "seconds": round(seconds, 3),
            "made_at": taken.manifest.made_at,
            "tick": taken.manifest.tick,
            "tables": taken.manifest.tables,
        }
        click.echo(json.dumps(found, indent=2))
    else:
        click.echo(f"{taken.file}: {taken.bytes / 1e6:,.1f} MB in {seconds:,.1f} s")
