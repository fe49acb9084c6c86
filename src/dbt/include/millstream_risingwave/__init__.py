"""Macros of the dbt adapter `type: millstream_risingwave`."""

from __future__ import annotations

import os

PACKAGE_PATH = os.path.dirname(__file__)
