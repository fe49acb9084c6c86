"""`embed`: item vectors from the purchases in the database."""

from __future__ import annotations

from pathlib import Path

import click

from loaders.commands.options import output, server
from loaders.commands.reports import print_json
from loaders.commands.running import errors_told
from loaders.embeddings.embed import EVENT_TYPES, NEIGHBOURS, RELATION, Training
from loaders.embeddings.embed import embed as embed_events
from loaders.embeddings.item_vectors import Parameters
from loaders.target.address import find_home, writer_dsn


@click.command(epilog="Example: millstream embed --min-baskets 5")
@click.option(
    "--relation", default=RELATION, show_default=True, help="Relation to read, with the columns of events."
)
@click.option(
    "--events",
    "event_types",
    multiple=True,
    default=EVENT_TYPES,
    show_default=True,
    help="Event that puts an item into a basket; may be given again.",
)
@click.option(
    "--dimensions",
    type=click.IntRange(min=2),
    default=Parameters.dimensions,
    show_default=True,
    help="Length of a vector.",
)
@click.option(
    "--min-baskets",
    type=click.IntRange(min=1),
    default=Parameters.min_baskets,
    show_default=True,
    help="Baskets that an item needs to get a vector.",
)
@click.option(
    "--neighbours",
    type=click.IntRange(min=1),
    default=NEIGHBOURS,
    show_default=True,
    help="Nearest items kept per item.",
)
@click.option(
    "--measure/--no-measure", default=True, help="Measure the hit rate on held-out last baskets.  [on]"
)
@server
@output
def embed(
    relation: str,
    event_types: tuple[str, ...],
    dimensions: int,
    min_baskets: int,
    neighbours: int,
    measure: bool,
    dsn: str | None,
    home: Path | None,
    progress: bool,
    as_json: bool,
) -> None:
    """Train item vectors from the purchases in the database and put them into service.

    Items that share baskets get vectors that are near. The new vectors, their neighbours and the version that the
    ranking uses change at one moment, while readers read. The same purchases give the same version and train nothing.
    """
    with errors_told():
        folder = find_home(home)
        result = embed_events(
            writer_dsn(dsn, folder), folder, relation=relation, event_types=event_types,
            parameters=Parameters(dimensions=dimensions, min_baskets=min_baskets),
            neighbours=neighbours, measure_quality=measure, show_progress=progress,
        )  # fmt: skip
        if as_json:
            print_json(result)
        else:
            _print_training(result)


def _print_training(result: Training) -> None:
    """Print what a training did."""
    if not result.is_new:
        click.echo(f"{result.version} is in service already: the same purchases and parameters")
        return
    click.echo(
        f"{result.version}: vectors of {result.items:,} items from {result.lines:,} lines in {result.baskets:,} baskets "
        f"({result.seconds:,.1f} s), in {result.path}"
    )
    if result.quality:
        quality = result.quality
        click.echo(
            f"hit rate@20 over {quality.queries:,} hidden items of last baskets: cosine {quality.cosine:.3f}, "
            f"cosine with popularity {quality.blended:.3f}, popularity alone {quality.popularity:.3f}"
        )
    if not result.variants:
        click.echo(
            "ranking_models has no row, so no ranking uses the version yet: insert one with this model_version"
        )
