"""What a run tells while it goes on, and how it takes Ctrl-C."""

import signal
import threading
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from ..terminal import printable


class Interruption:
    """Turns the first Ctrl-C into a request, so that no step is cut in two; a second one acts."""

    asked = False

    def __enter__(self):
        # Python lets only the main thread handle signals.
        self.handles = threading.current_thread() is threading.main_thread()
        if self.handles:
            self.before = signal.signal(signal.SIGINT, self._ask)
        return self

    def _ask(self, *_) -> None:
        self.asked = True
        signal.signal(signal.SIGINT, self.before)

    def __exit__(self, *_):
        if self.handles:
            signal.signal(signal.SIGINT, self.before)


class Report:
    """Tells how a run goes: a bar in a terminal, else a line an epoch, and a line a minute."""

    def __init__(self, quiet: bool, images: int):
        self.console = Console(quiet=quiet, highlight=False, soft_wrap=True)
        self.images = images
        self.bar = None
        if self.console.is_terminal and not quiet:
            self.bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[figures]}"),
                console=self.console,
                transient=True,
            )
            self.task = self.bar.add_task("", total=images, figures="")

    def __enter__(self):
        if self.bar:
            self.bar.start()
        return self

    def __exit__(self, *_):
        if self.bar:
            self.bar.stop()

    def say(self, line: str) -> None:
        self.console.print(printable(line, lines=True), markup=False)

    def begin_epoch(self, epoch: int, epochs: int, done: int) -> None:
        self.name, self.epochs_left = f"epoch {epoch + 1}/{epochs}", epochs - epoch - 1
        self.first = self.latest = None
        self.said = time.perf_counter()
        if self.bar:
            self.bar.update(self.task, description=self.name, completed=done, figures="")

    def step(self, sums: list[float]) -> None:
        loss, right, done = sums
        self.latest = (time.perf_counter(), done)
        # The first steps include compiling: the speed is counted from here.
        self.first = self.first or self.latest
        speed = self.images_per_second()
        figures = f"loss {loss / done:.4f}, accuracy {right / done:.1%}"
        if speed:
            left = (self.images - done + self.epochs_left * self.images) / speed
            figures += f", {speed:.0f} images/s, {_duration(left)} left"
        if self.bar:
            self.bar.update(self.task, completed=done, figures=figures)
        elif time.perf_counter() - self.said > 60:
            self.said = time.perf_counter()
            self.say(f"{self.name}, {int(done):,} of {self.images:,} images: {figures}")

    def images_per_second(self) -> float:
        """In this epoch, without the first steps; 0 where a third of a second did for all."""
        if self.latest is None or self.latest == self.first:
            return 0.0
        return (self.latest[1] - self.first[1]) / (self.latest[0] - self.first[0])

    def end_epoch(self, row: dict, epochs: int) -> None:
        line = (
            f"epoch {row['epoch']}/{epochs}  loss {row['loss']:.4f}  accuracy {row['accuracy']:.1%}"
        )
        if "val_loss" in row:
            line += f"  validation loss {row['val_loss']:.4f}  accuracy {row['val_accuracy']:.1%}"
        line += f"  rate {row['learning_rate']:.2g}  {_duration(row['seconds'])}"
        if row["images_per_second"]:
            line += f"  {row['images_per_second']:.0f} images/s"
        self.say(line)


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"
