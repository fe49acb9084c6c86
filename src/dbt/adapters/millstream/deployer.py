"""The one way from dbt to the engine: a psycopg 3 connection, a lock, and errors told in dbt's terms."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import psycopg
from dbt.adapters.contracts.connection import AdapterResponse
from dbt.adapters.events.logging import AdapterLogger
from dbt_common.exceptions import DbtDatabaseError, DbtRuntimeError

from dbt.adapters.millstream.credentials import MillstreamCredentials
from dbt.adapters.millstream.place import place_in_project
from dbt.adapters.millstream.words import place_of_words
from millstream.errors import Diagnostic, MillstreamError, Refused, StillRead

DEADLOCK_RETRIES = 3
ANY_MODEL = (
    "--select +model"  # how the engine, which knows no model's name, says which command deploys what is read
)
CANCEL_SECONDS = 1.0  # after which a deployment that goes on with another statement is told again

log = AdapterLogger("Millstream")

Node = Mapping[str, Any]

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class RefusedError(DbtRuntimeError):
    """The compiler refused a model; the text is its diagnostic with the place in the model's file."""

    @property
    def type(self) -> str:
        return "Refused"


class StoppedError(DbtDatabaseError):
    """The server stopped a deployment for a reason that is not the model's; `diagnostic` says which, and the remedy."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(str(diagnostic))
        self.diagnostic = diagnostic


@dataclass
class DeployResponse(AdapterResponse):
    """What dbt prints in the status line and keeps in run_results.json."""

    action: str = ""
    rebuilt: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    seconds: float = 0.0
    """How long the engine took."""
    rows: int | None = None
    """About how many rows it has, where it is stored."""
    ms_per_tick: float | None = None
    """The milliseconds that it takes of a tick, where it has been in one."""

    def after_dropping(self, readers: list[str]) -> DeployResponse:
        """The same response, with the readers that had to be dropped first."""
        if not readers:
            return self
        message = f"{self}; dropped {', '.join(readers)}: deploy them again"
        return replace(self, _message=message, dropped=readers)


class Deployer:
    """Calls `millstream.engine.deploy`, one call at a time.

    dbt runs models in several threads; deployments are serialised, because two of them may rebuild the same reader.
    Every call is one transaction of the engine's own.
    """

    def __init__(self, credentials: MillstreamCredentials, settings: Mapping[str, Any] | None = None) -> None:
        self.credentials = credentials
        # A project's vars, of which the engine takes its own; None leaves those that it has.
        self.settings = settings
        self.lock = threading.Lock()
        self.cancelled = False
        self.connection: psycopg.Connection[Any] | None = None
        if not credentials.host:  # where Python functions look for model files
            os.environ.setdefault("MILLSTREAM_HOME", str(credentials.home_directory()))

    def call(
        self,
        function: Callable[Concatenate[psycopg.Connection[Any], Arguments], Result],
        *arguments: Arguments.args,
        **options: Arguments.kwargs,
    ) -> Result:
        """Run one function of the engine on the deployment connection; raises Refused, StillRead and dbt's errors only.

        What the server says that is no fault of a definition (a lock, a lost connection, a full disk) is a StoppedError.

        A call that the server ends to resolve a deadlock has changed nothing and is made again.
        """
        with self.lock:
            if self.cancelled:
                raise DbtRuntimeError("the run was ended before this was deployed")
            try:
                for _ in range(DEADLOCK_RETRIES):
                    with suppress(psycopg.errors.DeadlockDetected):
                        return function(self._connect(), *arguments, **options)
                return function(self._connect(), *arguments, **options)
            except (Refused, StillRead):
                raise
            except MillstreamError as error:
                raise DbtRuntimeError(str(error)) from error
            except psycopg.Error as error:
                # The engine is loaded by the first deployment, so that `dbt parse` stays quick.
                from millstream.engine.state.server_faults import refused_by_server

                raise StoppedError(refused_by_server(error, "the deployment").diagnostic) from error

    def cancel(self) -> None:
        """End what is being deployed, in the server too, and begin nothing more; returns when it has ended."""
        self.cancelled = True
        self._end_statement()
        while not self.lock.acquire(timeout=CANCEL_SECONDS):
            self._end_statement()
        self.lock.release()

    def _end_statement(self) -> None:
        """Ask the server to end the deployment's statement that runs, if any does."""
        connection = self.connection
        if connection is not None and not connection.closed:
            with suppress(psycopg.Error):  # then it is asked again
                connection.cancel_safe(timeout=CANCEL_SECONDS)

    def close(self) -> None:
        with self.lock:
            if self.connection is not None:
                self.connection.close()
                self.connection = None

    def _connect(self) -> psycopg.Connection[Any]:
        # The engine and its SQL parser are loaded by the first deployment, so that `dbt parse` stays quick.
        from millstream.engine import deploy

        if self.connection is None or self.connection.closed:
            settings = f"-c timezone=UTC -c jit=off -c lock_timeout={self.credentials.lock_timeout}s"
            self.connection = deploy.connect(self.credentials.located().dsn(options=settings))
        if self.settings is not None:
            self._deploy_settings(self.connection, self.settings)
            self.settings = None
        return self.connection

    def _deploy_settings(self, connection: psycopg.Connection[Any], given: Mapping[str, Any]) -> None:
        """Let the engine go by what the project's vars call things."""
        from millstream.engine import deploy
        from millstream.engine.catalog.project_settings import ProjectSettings

        try:
            wanted = ProjectSettings.of(given, "dbt_project.yml")
        except Refused as refused:
            raise DbtRuntimeError(str(refused)) from refused
        if deploy.deploy_settings(connection, wanted):
            log.info("the project's vars call things by other names: rights and the worker go by them now")
            for problem in deploy.names_of_nothing(connection, wanted):
                log.warning(problem)


def response_of(deployed: Any) -> DeployResponse:
    """The status line of a `Deployed`: action, detail, and the readers rebuilt with it."""
    message = f"{deployed.action}: {deployed.detail}" if deployed.detail else deployed.action
    if deployed.rebuilt:
        message = f"{message}; rebuilt {', '.join(deployed.rebuilt)}"
    return DeployResponse(
        _message=message,
        code=deployed.action.upper(),
        action=deployed.action,
        rebuilt=list(deployed.rebuilt),
    )


@contextmanager
def told_in_project(model: Node, nodes: Mapping[str, Node], project_root: Path) -> Iterator[None]:
    """Tell what goes wrong inside with the place in the author's file, not that in the compiled SQL."""
    try:
        yield
    except Refused as refused:
        found = refused.diagnostic
        found = replace(found, hint=found.hint.replace(ANY_MODEL, f"--select +{model['name']}"))
        # The lines of a function are those of the whole CREATE FUNCTION, which nobody wrote.
        if found.line is None or model["resource_type"] == "function":
            place = place_of_words(model, found.construct, project_root)
        else:
            place = place_in_project(model, nodes, found.line, found.column, project_root)
        raise RefusedError(
            str(replace(found, path=place.path, line=place.line, column=place.column))
        ) from refused
    except StoppedError as stopped:
        place = place_of_words(model, "", project_root)
        raise StoppedError(
            replace(stopped.diagnostic, path=place.path, line=place.line, column=place.column)
        ) from stopped
