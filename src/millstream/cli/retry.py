"""`millstream retry`: try again what was set aside, once its cause is mended."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from millstream import server
from millstream.server import Home

BACK = {
    "view": "{0} is built again",
    "keys": "{1:,} {2} of {0} computed",
    "rows": "{1:,} {2} of {0} written again",
}
LEFT = {
    "view": "{0} stays suspended",
    "keys": "{1:,} {2} of {0} cannot be computed",
    "rows": "{1:,} {2} of {0} refused",
}


@click.command(name="retry")
@click.argument("model", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array instead of sentences.")
@click.pass_obj
def command(home: Home, model: str | None, as_json: bool) -> None:
    """Try again what was set aside, of one MODEL or of all.

    What a view cannot compute costs that value, that key or that view, and everything else goes on. `millstream
    status` counts them; once the cause is mended (a weight, a model, a function), this brings them back:

    \b
      suspended view   no tick can run it; it is built again, with what reads it
      dead key         it has no rows in a view; it is computed again (also by its next change)
      dead row         a row that a source refused; it is written again

    A value that is NULL because an expression failed comes back by itself when its row is computed again: after an
    UPDATE of the row, or when the model is deployed anew. What fails again stays, and its reason is printed.

    \b
    Example:
      millstream retry
      millstream retry rank_user_list
    """
    from millstream.engine import deploy  # the engine is slow to import, and --help needs none of it
    from millstream.engine.retry import retry

    with deploy.connect(server.connect(home.path).dsn("owner")) as connection:
        results = retry(connection, model)
    if as_json:
        click.echo(json.dumps([asdict(result) for result in results], indent=2))
    elif not results:
        click.echo("nothing is set aside")
    for each in results if not as_json else ():
        for count, texts in ((each.back, BACK), (each.left, LEFT)):
            if count:
                noun = each.what.removesuffix("s") if count == 1 else each.what
                reason = f": {each.error}" if texts is LEFT and each.error else ""
                click.echo(texts[each.what].format(each.name, count, noun) + reason)
    if any(each.left for each in results):
        raise SystemExit(1)
