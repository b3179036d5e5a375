"""A flow run on the terminal while it goes on: each step when it is done, and what is being done now."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.status import Status
from rich.text import Text

from entrypoints import showing
from entrypoints.flow_runs import Step, Watch

# Prefect's names of states before a run begins, in plain words.
_BEFORE = {
    "Scheduled": "Waiting for a worker",
    "Late": "Waiting for a worker",
    "Pending": "The worker starts the run",
}
# That sources or documents were looked up says nothing that working on them does not say.
_UNTOLD = ("list_sources", "cut_documents")


@contextmanager
def watching(is_quiet: bool = False) -> Iterator[Watch]:
    """Shows a run's steps as they are told. A quiet one shows only, on a terminal, what is being done."""
    shown = 0
    with busy("Asking Prefect for a run") as now:

        def watch(state: str, steps: list[Step]) -> None:
            nonlocal shown
            # Two steps run at once only where a step was tried again, so the done ones come first.
            done = [step for step in steps if step.state != "running" and step.name not in _UNTOLD]
            for step in done[shown:]:
                if not is_quiet:
                    tell(step.words, step.seconds, has_failed=step.state == "failed")
            shown = max(shown, len(done))
            going_on = [step.words for step in steps if step.state == "running"]
            now.update(showing.inert(going_on[-1] if going_on else _BEFORE.get(state, "Working")))

        yield watch


def tell(words: str, seconds: float, *, has_failed: bool = False) -> None:
    """One line for something that is done, with the time that it took."""
    mark = ("  ✗ ", "bold red") if has_failed else ("  ✓ ", "green")
    showing.say(Text.assemble(mark, showing.inert(words), (f"  {seconds:.1f} s", "dim")))


def busy(words: str) -> Status:
    """A sign on the terminal that something goes on; nothing elsewhere."""
    return showing.beside().status(words)
