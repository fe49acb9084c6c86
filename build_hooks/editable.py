"""Build hook: makes `dbt.adapters.millstream` importable from the checkout in an editable installation.

`dbt.adapters` is a package that extends its path over every directory on sys.path, until dbt-risingwave is installed,
whose wheel puts an empty `dbt/adapters/__init__.py` in the place of dbt-adapters' own. The one-line .pth file does what
the lost line did. An ordinary wheel needs none of this: its files lie in the same directory as dbt's.
"""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class EditableHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds `dbt_adapters.pth` to the editable wheel only."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            # Path files are read in the order of their names: this one after the one that names src.
            build_data["force_include_editable"]["build_hooks/dbt_adapters.pth"] = (
                "millstream_dbt_adapters.pth"
            )
