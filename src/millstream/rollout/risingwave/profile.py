"""Where RisingWave is: the target `risingwave` of profiles.yml, as dbt reads it."""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path
from typing import Any

from psycopg.conninfo import make_conninfo

TARGET = "risingwave"


def profile(root: Path) -> Any:
    """The credentials of target risingwave, as dbt reads them."""
    from dbt.config.runtime import load_profile

    return load_profile(str(root), {}, target_override=TARGET).credentials


def profile_alone(root: Path) -> Any:
    """The credentials, where no dbt command ran before: dbt must be told of the environment and where to look."""
    from dbt.flags import set_from_args
    from dbt_common.context import set_invocation_context

    set_invocation_context(os.environ)
    set_from_args(Namespace(project_dir=str(root), profiles_dir=str(root)), None)
    return profile(root)


def conninfo(credentials: Any) -> str:
    """The connection string of credentials."""
    return make_conninfo(
        host=credentials.host,
        port=credentials.port,
        user=credentials.user,
        password=credentials.password or None,
        dbname=credentials.database,
    )
