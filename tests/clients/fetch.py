"""Get the drivers of other languages for the tests: `python -m tests.clients.fetch`, of the versions beside this file.

A language whose tools are not there is left out, and said. What is fetched lies in the environment, under `clients/`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
FETCHED = Path(sys.prefix) / "clients"
NODE, JARS = FETCHED / "node", FETCHED / "java"


def node() -> list[str]:
    """Install node-postgres as the lock file says."""
    shutil.copytree(HERE / "node", NODE, dirs_exist_ok=True)
    return ["npm", "ci", "--prefix", str(NODE), "--no-audit", "--no-fund", "--loglevel=error"]


def go() -> list[str]:
    """Put the modules into Go's own cache."""
    return ["go", "-C", str(HERE / "go"), "mod", "download"]


def java() -> list[str]:
    """Copy the jars that the project file names, and theirs."""
    options = ["--quiet", "--batch-mode", "--file", str(HERE / "java" / "pom.xml")]
    return ["mvn", *options, "dependency:copy-dependencies", f"-DoutputDirectory={JARS}"]


def main() -> None:
    """Fetch what can be fetched. A driver that was not is missed by its test, which says so."""
    for prepare in (node, go, java):
        argv = prepare()
        if shutil.which(argv[0]) is None:
            print(f"{prepare.__name__}: {argv[0]} is not installed, its client is not tested")
            continue
        done = subprocess.run(argv, check=False)
        print(f"{prepare.__name__}: {'fetched' if done.returncode == 0 else 'not fetched'}")


if __name__ == "__main__":
    main()
