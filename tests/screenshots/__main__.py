"""Makes the pictures of the README from the bundled sample day: the desk, a mail, the demo on a terminal.

    make screenshots

Everything in them is what the product shows: the sample day goes through `schoolgate run`, and Chromium looks.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from playwright.sync_api import sync_playwright
from rich.console import Console

from collector.segments import load_network
from rules.console import coverage_table, headline, show_case
from rules.desk.server import DeskServer
from rules.notify.docket import Standing
from rules.notify.templating import Templates
from rules.notify.wording import Place, message_words
from rules.rulebook import RulebookFiles
from rules.service import stored_report
from rules.settings import Desk
from rules.store import Store
from rules.told import told
from schoolgate.release import VERSION
from schoolgate.shell import say
from tests.parts import chromium
from tests.system.product import ROOT, copy_district, schoolgate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

IMAGES = ROOT / "docs" / "images"
LARGEST = 150_000
SHOWN = "prohibited-tracking"
TERMINAL_COLUMNS = 100
TERMINAL_CASES = 3
# Rich's own picture of a terminal fetches a font from elsewhere; a picture in a repository fetches nothing.
FONT_FACE = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


def main() -> int:
    """Make all pictures."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="schoolgate-pictures-") as name:
        folder = copy_district(Path(name))
        done = schoolgate("run", "--config", folder / "config.yaml")
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        store = Store(f"sqlite:///{folder}/cases.db")
        try:
            terminal(store, zone=load_network(folder / "network.yaml").time_zone)
            pages(store, folder=folder)
        finally:
            store.close()
    for path in sorted(IMAGES.iterdir()):
        say(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB")
        if path.stat().st_size > LARGEST:
            raise RuntimeError(f"{path} is larger than {LARGEST / 1000:.0f} kB")
    return 0


def terminal(store: Store, *, zone: ZoneInfo) -> None:
    """Draw what `schoolgate demo` prints: its first cases, the coverage, and the line that counts all cases."""
    report = stored_report(store)
    console = Console(record=True, width=TERMINAL_COLUMNS, file=StringIO(), force_terminal=True)
    for case in report["cases"][:TERMINAL_CASES]:
        show_case(case, console, zone=zone)
    console.print("...\n", style="dim")
    console.print(coverage_table(report["coverage"]))
    console.print(headline(report["cases"]), style="bold", highlight=False)
    drawn = FONT_FACE.sub("", console.export_svg(title="schoolgate demo"))
    (IMAGES / "demo.svg").write_text(drawn, encoding="utf-8")


def pages(store: Store, *, folder: Path) -> None:
    """Photograph the desk and a mail."""
    files = RulebookFiles(
        agreements=folder / "agreements", network=folder / "network.yaml", parties=(folder / "parties.yaml",)
    )
    server = DeskServer(
        store, settings=Desk(listen="127.0.0.1:0"), files=files, folder=folder, version=VERSION, say=say
    )
    part = chromium.set_up()
    server.start()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=str(part.program), env={**os.environ, **part.environment}
            )
            page = browser.new_page(viewport={"width": 1180, "height": 780}, color_scheme="light")
            page.goto(server.sign_in_address)
            page.wait_for_url("**/cases")
            photograph(page, "desk-list.png")
            chosen = next(case for case in cases(store) if case["rule"] == SHOWN)
            page.goto(f"{server.address.origin}/cases/{chosen['id']}")
            photograph(page, "desk-case.png")
            page.set_viewport_size({"width": 390, "height": 780})
            page.goto(f"{server.address.origin}/cases")
            photograph(page, "desk-phone.png")
            # A window of its own: the desk's policy would hold for what is put into its page.
            page = browser.new_page(viewport={"width": 720, "height": 640}, color_scheme="light")
            page.set_content(mail(chosen, district="Prairie Lakes Community Schools"))
            page.screenshot(path=IMAGES / "mail.png", full_page=True)
            browser.close()
    finally:
        server.stop()


def photograph(page: Page, name: str) -> None:
    """Keep what the window shows."""
    page.screenshot(path=IMAGES / name)


def cases(store: Store) -> Iterator[dict[str, object]]:
    """Yield the open cases."""
    yield from map(json.loads, store.open_cases())


def mail(case: dict[str, object], *, district: str) -> str:
    """Return the HTML of the mail that tells of *case*."""
    standing = Standing(
        case_id=str(case["id"]), seq=1, supported=True, status="new", quiet=None, view=told(case), seen_at=1, spells=()
    )
    place = Place(
        district=district,
        zone=ZoneInfo("America/Chicago"),
        desk="https://desk.district.example",
        runbooks="https://docs.example",
    )
    return Templates(None).render("case.html", message_words("opened", standing, place=place))


if __name__ == "__main__":
    raise SystemExit(main())
