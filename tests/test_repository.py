"""The repository's own promises: pins within bounds, a table of contents that is complete."""

import re
import tomllib

import pytest
from conftest import ROOT, documents, notebooks
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
REQUIREMENTS = (ROOT / "requirements.txt").read_text("utf-8")
EXTRAS = PROJECT["optional-dependencies"]
DIRECT = [*PROJECT["dependencies"], *(one for extra in EXTRAS.values() for one in extra)]
DIRECT = sorted({one for one in DIRECT if not one.startswith("alexnet-lib[")})


def pinned():
    """Name → the versions that requirements.txt pins; more than one where Pythons differ."""
    pins = {}
    for line in REQUIREMENTS.splitlines():
        if line and not line.lstrip().startswith("#"):
            requirement = Requirement(line)
            version = re.fullmatch(r"==([^,*]+)", str(requirement.specifier))
            assert version, f"requirements.txt pins no exact version in {line!r}"
            pins.setdefault(canonicalize_name(requirement.name), []).append(version[1])
    return pins


@pytest.mark.parametrize("dependency", DIRECT)
def test_direct_dependencies_are_pinned_within_their_bounds(dependency):
    requirement = Requirement(dependency)
    versions = pinned().get(canonicalize_name(requirement.name), [])
    assert versions, f"{requirement.name} is missing: compile requirements.txt again (its header)"
    for version in versions:
        assert requirement.specifier.contains(version), f"{version} is outside {dependency}"


def test_table_of_contents_lists_every_chapter_once():
    chapters = [name for name in documents() if (ROOT / "book" / f"{name}.ipynb").exists()]
    assert sorted(chapters) == [path.stem for path in notebooks()]


def test_continuous_integration_runs_the_command_of_the_readme():
    command = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()[-1]
    assert command == "exec make test"
    assert "make test" in (ROOT / "README.md").read_text("utf-8")


def test_pictures_of_the_readme_exist():
    text = (ROOT / "README.md").read_text("utf-8")
    pictures = re.findall(r'!\[[^\]]*\]\(([^)]+)\)|(?:src|srcset)="([^"]+)"', text)
    paths = [path for pair in pictures for path in pair if path and ":" not in path]
    assert paths
    assert [path for path in paths if not (ROOT / path).is_file()] == []
