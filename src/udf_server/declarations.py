"""The functions that a project declares: what `udfs/*.yml` tells dbt, this server serves."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import yaml

from udf_server.arrow_types import arrow_type
from udf_server.errors import FunctionServerError

VERSION_SUFFIX = re.compile(r"_v\d+$")


@dataclass(frozen=True)
class Function:
    """One served function: its name on the wire, the Python function, its arguments and its result."""

    name: str
    call: Callable[..., Any]
    arguments: pa.Schema
    result: pa.DataType
    module: ModuleType


def read_functions(project: Path) -> list[Function]:
    """Every function declared in `udfs/*.yml` of a project, with its Python code.

    Raises FunctionServerError, naming the file, where a declaration or its code is wrong or missing.
    """
    folder = project / "udfs"
    files = sorted(folder.glob("*.y*ml"))
    found = [function for file in files for function in functions_in(file, project)]
    if not found:
        raise FunctionServerError(
            f"{folder} declares no function: start in the directory with dbt_project.yml, "
            "or name it with --project"
        )
    names = [function.name for function in found]
    for name in names:
        if names.count(name) > 1:
            raise FunctionServerError(f"{folder}: two functions are called {name} on the wire")
    return found


def functions_in(file: Path, project: Path) -> Iterator[Function]:
    """The functions of one file, as dbt reads it."""
    try:
        declared = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise FunctionServerError(f"{file} is not YAML: {error}") from error
    for item in declared.get("functions", []):
        config = item.get("config", {})
        name = str(config.get("remote_name") or item["name"])
        entry = str(config.get("entry_point") or name)
        try:
            arguments = pa.schema(
                [
                    (argument["name"], arrow_type(argument["data_type"]))
                    for argument in item.get("arguments", [])
                ]
            )
            result = arrow_type(item["returns"]["data_type"])
        except FunctionServerError as error:
            raise FunctionServerError(f"{file}, function {name}: {error}") from error
        except (KeyError, TypeError) as error:
            raise FunctionServerError(
                f"{file}, function {name}: an argument or the result has no data_type"
            ) from error
        path = code_of(project, item["name"], entry, config.get("module"))
        module = load(path)
        call = getattr(module, entry, None)
        if not callable(call):
            raise FunctionServerError(
                f"{path} has no function {entry}, which {file} declares: name it so, or set entry_point"
            )
        yield Function(name, call, arguments, result, module)


def code_of(project: Path, name: str, entry: str, module: str | None) -> Path:
    """The file of a function, found as the embedded engine finds it.

    It is `module` (relative to the project), else `udfs/<entry>.py`, else the same without a version suffix, else
    `udfs/<name>.py`.
    """
    if module is not None:
        candidates = [project / module]
    else:
        stems = dict.fromkeys((entry, VERSION_SUFFIX.sub("", entry), name))
        candidates = [project / "udfs" / f"{stem}.py" for stem in stems]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    looked = ", ".join(str(candidate) for candidate in candidates)
    raise FunctionServerError(
        f"no Python file for the function {name}: looked for {looked}; set module in its config"
    )


def load(path: Path) -> ModuleType:
    """Import a file as a module. Raises FunctionServerError where it does not import."""
    root = str(path.parent.parent)
    if root not in sys.path:
        sys.path.insert(0, root)
    name = f"{path.parent.name}.{path.stem}"
    present = sys.modules.get(name)
    if present is not None and present.__file__ == str(path):
        return present
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        missing = isinstance(error, ModuleNotFoundError)
        remedy = f": install {error.name}" if missing and isinstance(error, ModuleNotFoundError) else ""
        raise FunctionServerError(
            f"{path} does not import: {type(error).__name__}: {error}{remedy}"
        ) from error
    return module
