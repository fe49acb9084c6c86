"""Progress bars on the terminal: how far, how fast, how long still."""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text


class Rate(ProgressColumn):
    """Rows per second since the task began."""

    def render(self, task: Task) -> Text:
        """Show the rows of this task and their mean rate."""
        rows = task.fields.get("rows", 0)
        seconds = task.elapsed or 0.0
        rate = f"{rows / seconds:,.0f}/s" if seconds > 0 else "–/s"
        return Text(f"{rows:,} rows, {rate}", style="cyan")


def progress_bars(*, show: bool = True) -> Progress:
    """Make the bars of a load or a replay; they go to standard error, so that results can be piped."""
    return Progress(
        TextColumn("{task.description}", table_column=Column(no_wrap=True)),
        BarColumn(bar_width=16),
        TaskProgressColumn(),
        Rate(table_column=Column(no_wrap=True)),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        TextColumn(
            "{task.fields[note]}", style="dim", table_column=Column(no_wrap=True, overflow="ellipsis")
        ),
        console=Console(stderr=True),
        disable=not show,
    )
