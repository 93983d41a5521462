"""Check that both locks are in step with pyproject.toml, without a network: `python -m tests.check_lock`."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*])?==([^ \\;]+)", re.MULTILINE)


def read_lock(name: str) -> dict[str, Version]:
    """Give the pinned version of each package in a lock."""
    text = (ROOT / name).read_text()
    return {str(canonicalize_name(package)): Version(pin) for package, pin in _PIN.findall(text)}


def find_problems(requirements: list[str], lock: dict[str, Version], name: str) -> list[str]:
    """Say which requirements a lock does not meet."""
    problems: list[str] = []
    for requirement in map(Requirement, requirements):
        pinned = lock.get(canonicalize_name(requirement.name))
        if pinned is None:
            problems.append(f"{name} lacks {requirement.name}")
        elif not requirement.specifier.contains(pinned, prereleases=True):
            problems.append(
                f"{name} has {requirement.name} {pinned}, but pyproject.toml wants {requirement}"
            )
    return problems


def main() -> int:
    """Print what is out of step; 1 where something is."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    runtime, dev = read_lock("requirements.lock"), read_lock("requirements-dev.lock")
    needed = project["project"]["dependencies"]
    problems = find_problems(needed + groups["build"], runtime, "requirements.lock")
    extras = [
        each for extra in project["project"]["optional-dependencies"].values() for each in extra
    ]
    problems += find_problems(needed + extras + groups["dev"], dev, "requirements-dev.lock")
    problems += [
        f"the locks disagree on {package}"
        for package, pin in runtime.items()
        if package in dev and dev[package] != pin
    ]
    problems += [
        f"{name} names a host"
        for name in ("requirements.lock", "requirements-dev.lock", "requirements-model.lock")
        if "://" in (ROOT / name).read_text()
    ]
    for problem in problems:
        print(f"{problem}; run `make lock`", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
