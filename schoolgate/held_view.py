"""Shows what is held to a person: one table, plain words, a verdict at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from schoolgate.held_place import Held

# Wide enough that a reader of a pipe gets whole names.
PIPE_WIDTH = 200
PLACES = {"file": "File", "table": "Table", "topic": "Topic", "state": "State", "key": "Keys", "log": "Messages"}


def show(places: list[Held]) -> None:
    """Print *places*, and what is wrong with them."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, emoji=False, width=PIPE_WIDTH)
    table = Table(title="What Schoolgate holds", title_justify="left", title_style="bold")
    for head in ("Where", "What is in it", "How many", "Since", "Kept for"):
        table.add_column(head, justify="right" if head == "How many" else "left", overflow="fold")
    for place in places:
        count = "" if place.count is None else f"{place.count:,}"
        since = (place.since or "").replace("T", " ").removesuffix("Z")
        table.add_row(f"{PLACES[place.place]} {place.name}", place.what, count, since, place.keep)
    console.print(table)
    for place in places:
        if place.overdue:
            console.print(f"wrong: {place.name}: {place.overdue}", soft_wrap=True)
        if place.unseen:
            console.print(f"not seen: {place.name}: {place.unseen}", soft_wrap=True)
    if any(place.overdue for place in places):
        console.print("Verdict: something is kept for longer than it may be, see above.", style="bold")
    elif any(place.unseen for place in places):
        console.print("Verdict: not every place could be looked at.", style="bold")
    else:
        console.print("Verdict: nothing is older than it may be. Times are UTC.", style="bold")
