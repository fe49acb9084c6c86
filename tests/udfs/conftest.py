"""A home for the model files of a blend."""

from __future__ import annotations

from pathlib import Path

import pytest

from udfs import blend_v2


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of model files in a home of its own, with nothing loaded."""
    monkeypatch.setenv("MILLSTREAM_HOME", str(tmp_path))
    monkeypatch.setattr(blend_v2, "_loaded", type(blend_v2._loaded)())
    folder = tmp_path / "models"
    folder.mkdir()
    return folder
