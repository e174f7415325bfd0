"""What every recorded run says beside its figures: on what it ran, with which versions."""

import json
import os
import platform
from pathlib import Path

import keras
import tensorflow as tf

from alexnet_lib import files


def update(path: Path, name: str, record: dict) -> None:
    """Puts a record into a file of results, in place of an older one of that name."""
    results = json.loads(path.read_text("utf-8")) if path.exists() else {}
    results[name] = record
    files.write_text(path, json.dumps(results, indent=1, ensure_ascii=False) + "\n")


def chosen(parser, known, what: str, arguments: list[str] | None):
    """What was given: `names` are those of `known` that were named, or all.

    An unknown one ends the program.

    Args:
        parser: an `argparse.ArgumentParser` with the program's other arguments.
        known: names → what they stand for.
        what: one of them is called, such as "run".
    """
    parser.add_argument(
        "names", nargs="*", metavar=what.upper(), help=f"of {', '.join(known)}; or all"
    )
    given = parser.parse_args(arguments)
    unknown = sorted(set(given.names) - set(known))
    if unknown:
        parser.error(f"there is no {what} {unknown[0]!r}; {what}s are {', '.join(known)}")
    given.names = given.names or list(known)
    return given


def source(given: str) -> dict:
    """A folder, archive or named data set: its name, and what an archive contains as SHA-256.

    Never where it lies.
    """
    path = Path(given)
    return {"name": path.name, "sha256": files.sha256(path) if path.is_file() else None}


def history(rows: list[dict]) -> list[dict]:
    """The rows of `Run.history` with five decimals, which is more than two runs agree on."""
    return [{key: round(value, 5) for key, value in row.items()} for row in rows]


def surroundings() -> dict:
    """The hardware and the versions of this process."""
    gpus = [
        tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
        for gpu in tf.config.list_physical_devices("GPU")
    ]
    return {
        "hardware": {"cpu": _cpu_name(), "cores": os.cpu_count(), "gpus": gpus},
        "versions": {
            "python": platform.python_version(),
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
        },
    }


def _cpu_name() -> str:
    """As Linux gives it; elsewhere, what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
