"""`millstream restore`: a home from a backup."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from millstream.cli.telling import telling
from millstream.server import Home


@click.command(name="restore")
@click.argument("file", metavar="FILE", type=click.Path(readable=False, path_type=Path))
@click.option(
    "--home",
    "place",
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory to make. Default: the home of this command line or of MILLSTREAM_HOME, where nothing is there yet.",
)
@click.option("--check", "only_check", is_flag=True, help="Read the whole file and restore nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a sentence.")
@click.pass_obj
def command(home: Home, file: Path, place: Path | None, only_check: bool, as_json: bool) -> None:
    """Make a home of the backup FILE.

    It is complete or not there at all, and stopped: start it with `millstream up`. Applications connect with the
    passwords that they had. What was written after the backup is not in it.

    \b
    Example:
      millstream restore /backups/millstream-20260101T030000Z.backup --home /var/lib/millstream-2
      millstream restore /backups/millstream-20260101T030000Z.backup --check
    """
    from millstream.backup import check, open_archive, restore

    target = home if place is None else Home(place)
    began = time.monotonic()
    with telling() as tell:
        if only_check:
            with open_archive(file) as archive:
                check(archive, tell)
            manifest = archive.manifest
        else:
            manifest = restore(file, target, tell)
    seconds = time.monotonic() - began
    if as_json:
        found = {
            "file": str(file.absolute()),
            "home": None if only_check else str(target.path),
            "seconds": round(seconds, 3),
            "made_at": manifest.made_at,
            "made_by": {"millstream": manifest.millstream, "postgresql": manifest.postgresql},
            "tick": manifest.tick,
            "tables": manifest.tables,
        }
        click.echo(json.dumps(found, indent=2))
    elif only_check:
        click.echo(f"{file} is whole: the home as of {manifest.made_at}, {manifest.tables} tables")
    else:
        click.echo(f"{target.path}: the home as of {manifest.made_at}, in {seconds:,.1f} s")
        click.echo(f"start it: millstream --home {target.path} up")
