"""The repository's own promises: pins within bounds, a table of contents that is complete."""

import re
import tomllib
from itertools import pairwise

import pytest
from conftest import FAST, ROOT, documents, notebooks
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
    there = [path.stem for path in notebooks()]
    missing = sorted(set(there) - set(chapters))
    assert not missing, f"list {', '.join(missing)} in _toc.yml, each under its part"
    assert sorted(chapters) == there


def test_each_chapter_leads_to_the_next():
    """Under *Next* in its summary; what follows the last chapter is for it to say."""
    names = [name for name in documents() if (ROOT / "book" / f"{name}.ipynb").exists()]
    for name, following in pairwise(names):
        text = (ROOT / "book" / f"{name}.ipynb").read_text("utf-8")
        way_on = text.rpartition("**Next")[2].partition('"cell_type"')[0]
        assert f"{{doc}}`{following}`" in way_on, f"{name} leads elsewhere than to {following}"


def test_continuous_integration_runs_the_command_of_the_readme():
    command = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()[-1]
    assert command == "exec make test"
    assert "make test" in (ROOT / "README.md").read_text("utf-8")


def test_the_fast_tests_are_there():
    assert [name for name in sorted(FAST) if not (ROOT / "tests" / f"{name}.py").is_file()] == []


def test_pictures_of_the_readme_exist():
    text = (ROOT / "README.md").read_text("utf-8")
    pictures = re.findall(r'!\[[^\]]*\]\(([^)]+)\)|(?:src|srcset)="([^"]+)"', text)
    paths = [path for pair in pictures for path in pair if path and ":" not in path]
    assert paths
    assert [path for path in paths if not (ROOT / path).is_file()] == []
