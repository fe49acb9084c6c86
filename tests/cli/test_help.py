"""Every command and every option is documented, and no command file is forgotten."""

from __future__ import annotations

import importlib
import pkgutil
import re

import click
import pytest
from click.testing import CliRunner

import millstream.cli
from millstream.cli import COMMANDS, main
from millstream.supervisor import supervisor_process, worker_process


def defined(command: click.Command) -> click.Command:
    """What a command is when it runs: those of the loaders are only imported then."""
    importer = getattr(command, "defined", None)
    return command if importer is None else importer()


DEFINED = [defined(command) for command in COMMANDS]


def options(command: click.Command) -> list[click.Option]:
    return [parameter for parameter in command.params if isinstance(parameter, click.Option)]


def test_every_module_with_a_command_is_registered() -> None:
    modules = [name for _, name, _ in pkgutil.iter_modules(millstream.cli.__path__)]
    found = [getattr(importlib.import_module(f"millstream.cli.{name}"), "command", None) for name in modules]
    forgotten = [item for item in found if isinstance(item, click.Command) and item not in COMMANDS]
    assert forgotten == []
    assert list(main.commands.values()) == list(COMMANDS)


@pytest.mark.parametrize("command", DEFINED, ids=lambda command: command.name)
def test_a_command_says_what_it_does_and_shows_an_example(command: click.Command) -> None:
    help_text = command.help or ""
    assert len(help_text.splitlines()[0]) > 20
    assert re.search(rf"Example:\s+(\w+=\S*)?millstream {command.name}\b", f"{help_text}\n{command.epilog}")


@pytest.mark.parametrize(
    "command",
    [main, *DEFINED, supervisor_process.main, worker_process.main],
    ids=lambda command: command.name,
)
def test_every_option_is_documented(command: click.Command) -> None:
    undocumented = [option.name for option in options(command) if not option.help]
    assert undocumented == []
    assert command.help


def test_the_list_of_commands_says_of_each_what_it_does() -> None:
    answer = CliRunner().invoke(main, ["--help"], terminal_width=100)
    assert answer.exit_code == 0
    for command in COMMANDS:
        assert f"  {command.name} " in answer.output


@pytest.mark.parametrize("command", DEFINED, ids=lambda command: command.name)
def test_help_is_printed_and_needs_no_server(command: click.Command) -> None:
    answer = CliRunner().invoke(main, [command.name or "", "--help"])
    assert answer.exit_code == 0
    for option in options(command):
        assert option.opts[0] in answer.output


def test_the_list_of_commands_cuts_no_sentence() -> None:
    assert "..." not in CliRunner().invoke(main, ["--help"]).stdout.split("Commands:")[1]
