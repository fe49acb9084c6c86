"""dbt runs in this process, on a recorded RisingWave."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from tests.conformance.recorder import RisingWave

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Outcome:
    """What a run sent, and what dbt says of each node."""

    success: bool
    sent: list[str]
    messages: dict[str, str]
    error: str


@dataclass
class Project:
    """A dbt project and the server that it is deployed to."""

    root: Path
    server: RisingWave

    def run(self, *arguments: str, **environment: str) -> list[str]:
        """`dbt run`, which must succeed; what it sent, but for making its registry."""
        outcome = self.dbt("run", *arguments, **environment)
        assert outcome.success, outcome.error
        registry = 'create table if not exists "dev"."public"."millstream_registry"'
        return [text for text in outcome.sent if not text.startswith(registry)]

    def fails(self, *arguments: str) -> Outcome:
        """`dbt run`, which must not succeed."""
        outcome = self.dbt("run", *arguments)
        assert not outcome.success
        return outcome

    def dbt(self, command: str, *arguments: str, **environment: str) -> Outcome:
        from dbt.cli.main import dbtRunner

        target = self.root / "target" if self.root != ROOT else Path(os.devnull)
        with mock.patch.dict(os.environ, environment), self.server.recording() as sent:
            outcome = dbtRunner().invoke(
                [
                    command,
                    *("--target", "risingwave", "--project-dir", str(self.root)),
                    *("--profiles-dir", str(self.root), "--target-path", str(target)),
                    *("--log-path", str(target), "--quiet", "--log-level", "none"),
                    *(
                        "--no-write-json",
                        *arguments,
                    ),  # nobody reads them, and writing takes most of a short run
                ]
            )
        results: Any = [each for each in getattr(outcome.result, "results", ()) if hasattr(each, "node")]
        messages = {result.node.name: str(result.message) for result in results}
        failed = [f"{name}: {messages[name]}" for name in failures(results)]
        return Outcome(outcome.success, sent, messages, "\n".join(failed) or str(outcome.exception))

    def write(self, model: str, text: str) -> None:
        (self.root / "models" / f"{model}.sql").write_text(text)

    def edit(self, model: str, before: str, after: str) -> None:
        path = self.root / "models" / f"{model}.sql"
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after))


def failures(results: Any) -> list[str]:
    return [result.node.name for result in results if str(result.status) in ("error", "fail")]
