"""Every command and every option is documented, and no command file is forgotten."""

from __future__ import annotations

import importlib
import pkgutil

import click
import pytest
from click.testing import CliRunner

import millstream.cli
from millstream.cli import COMMANDS, main, supervise, work

COMMAND_MODULES = [
    name
    for _, name, _ in pkgutil.iter_modules(millstream.cli.__path__)
    if isinstance(getattr(importlib.import_module(f"millstream.cli.{name}"), "command", None), click.Command)
]


def options(command: click.Command) -> list[click.Option]:
    return [parameter for parameter in command.params if isinstance(parameter, click.Option)]


def test_every_module_with_a_command_is_registered() -> None:
    registered = {command.callback.__module__.rpartition(".")[2] for command in COMMANDS if command.callback}
    assert registered == set(COMMAND_MODULES)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_a_command_says_what_it_does_and_shows_an_example(command: click.Command) -> None:
    help_text = command.help or ""
    assert len(help_text.splitlines()[0]) > 20
    assert "Example:\n" in help_text
    assert f"millstream {command.name}" in help_text.partition("Example:\n")[2]
    assert not command.get_short_help_str(limit=200).endswith("...")


@pytest.mark.parametrize(
    "command", [main, *COMMANDS, supervise.main, work.main], ids=lambda command: command.name
)
def test_every_option_is_documented(command: click.Command) -> None:
    undocumented = [option.name for option in options(command) if not option.help]
    assert undocumented == []
    assert command.help


def test_the_short_help_of_every_command_fits_its_line() -> None:
    answer = CliRunner().invoke(main, ["--help"])
    assert answer.exit_code == 0
    assert "..." not in answer.output.partition("Commands:")[2]
    for command in COMMANDS:
        assert f"  {command.name} " in answer.output


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_help_is_printed_and_needs_no_server(command: click.Command) -> None:
    answer = CliRunner().invoke(main, [command.name or "", "--help"])
    assert answer.exit_code == 0
    for option in options(command):
        assert option.opts[0] in answer.output
