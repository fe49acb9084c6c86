"""What a deploy did."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Deployed:
    """What a deploy did. `detail` is one line for people; `rebuilt` names the dependants that were rebuilt."""

    name: str
    action: str
    detail: str = ""
    rebuilt: tuple[str, ...] = ()
