"""The page on ImageNet: its numbers, its commands and its scripts."""

import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from alexnet_lib.cli import app

PAGE = (Path(__file__).parents[1] / "book" / "imagenet.md").read_text("utf-8")
TRAINING_PICTURES = 1_281_167


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_hours_days_and_bytes_are_counted_right():
    rows = re.findall(r"^\| ([\d,]+) \| ([\d.]+) \| ([\d.]+) \|$", PAGE, re.MULTILINE)
    assert len(rows) == 6
    for rate, hours, days in rows:
        seconds = TRAINING_PICTURES / int(rate.replace(",", ""))
        assert float(hours) == pytest.approx(seconds / 3600, abs=0.005)
        assert float(days) == pytest.approx(90 * seconds / 86_400, abs=0.05)
    assert f"{TRAINING_PICTURES:,} training pictures" in PAGE
    assert f"{256 * 256 * 3:,} bytes" in PAGE
    assert f"takes {TRAINING_PICTURES * 256 * 256 * 3 / 1e9:.1f} GB" in PAGE
    assert f"leave {np.log(1000):.3f}" in PAGE


def commands() -> list[list[str]]:
    """The `alexnet train` commands of the page, also those in scripts and manifests."""
    text = "\n".join([*blocks("sh"), *blocks("bash")]).replace("\\\n", " ").replace("'", " ")
    found = [shlex.split(line) for line in text.splitlines() if "alexnet train" in line]
    manifest = re.search(r"command: \[(.*?)\]", PAGE, re.DOTALL)[1]
    found.append([word.strip().strip('"') for word in manifest.split(",")])
    return found


def run(*arguments) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def thousand_classes(tmp_path_factory) -> Path:
    """Small pictures of 1,000 classes: one of each to learn from, one of every tenth held out."""
    folder = tmp_path_factory.mktemp("imagenet")
    random = np.random.default_rng(2012)
    for label in range(1000):
        colour = random.integers(0, 256, 3)
        for part in ("train", "val") if label % 10 == 0 else ("train",):
            path = folder / part / f"n{label:08}" / "0.jpg"
            path.parent.mkdir(parents=True)
            pixels = colour + random.normal(0, 20, (32, 32, 3))
            Image.fromarray(pixels.clip(0, 255).astype("uint8")).save(path)
    return folder


def test_every_command_of_the_page_is_understood(thousand_classes, tmp_path):
    assert len(commands()) == 4
    for words in commands():
        assert words[:2] == ["alexnet", "train"]
        assert words[2] in ("tfds:imagenet2012", "/shared/imagenet")
        options = [tmp_path / "run" if "runs/imagenet" in word else word for word in words[3:]]
        result = run("train", thousand_classes, *options, "--dry-run")
        assert result.exit_code == 0, result.output
        assert "1,000 classes, 1,000 pictures to learn from" in result.output


def test_the_recipe_runs_from_end_to_end_on_a_thousand_classes(thousand_classes, tmp_path):
    out = tmp_path / "run"
    words = [tmp_path / "run" if "runs/imagenet" in word else word for word in commands()[0][3:]]
    result = run("train", thousand_classes, *words, "--epochs", 1, "--fc-units", 16)
    assert result.exit_code == 0, result.output
    assert "8 steps of 128" in result.output
    assert "100 images, 10 crops" in result.output
    row = (out / "history.csv").read_text().splitlines()[1].split(",")
    # Nothing can be learned from one picture of a class: the loss is that of chance.
    assert float(row[1]) == pytest.approx(np.log(1000), abs=0.5)


def test_the_script_for_slurm_tells_each_machine_who_the_others_are(tmp_path):
    script = next(block for block in blocks("bash") if "SLURM" in block)
    programs = {
        "scontrol": "printf 'node1\\nnode2\\nnode3\\nnode4\\n'",
        "srun": 'for number in 0 1 2 3; do SLURM_PROCID=$number "$@"; done',
        "alexnet": 'printf "%s\\n" "$TF_CONFIG" | tr "\\n" " "; echo; echo "$@" >> arguments',
    }
    for name, text in programs.items():
        path = tmp_path / name
        path.write_text(f"#!/bin/bash\n{text}\n")
        path.chmod(0o755)
    environment = os.environ | {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "SLURM_JOB_NODELIST": "node[1-4]",
    }
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines() if line.strip()]
    assert [one["task"] for one in told] == [
        {"type": "worker", "index": number} for number in range(4)
    ]
    for one in told:
        assert one["cluster"] == {"worker": [f"node{number}:2222" for number in range(1, 5)]}
    assert (tmp_path / "arguments").read_text().count("train tfds:imagenet2012") == 4
