"""What happens on Tuesday, 6 October 2026, in the Prairie Lakes Community Schools. README.md tells it in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from rules.sample import cast
from rules.sample.chance import Chance
from rules.sample.conversations import Exchange, Page
from rules.sample.tap import Tap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rules.sample.wire import Frame

SEED: Final = "prairie-lakes"
_MS, _S = 1_000, 1_000_000
_MINUTE = 60 * _S
_MIDNIGHT_US = int(datetime(2026, 10, 6, tzinfo=ZoneInfo("America/Chicago")).timestamp()) * _S

_OPENS: Final = {
    "choirbox": ("band.choirbox.example",),
    "cityscores": ("scores.cityscores.example", "px.adorbit.example"),
    "clipstage": ("make.clipstage.example",),
    "countwell": (
        "app.countwell.example",
        "static.countwell.example",
        "img.cw-media.example",
        "in.faultline.example",
    ),
    "dailyprairie": ("www.dailyprairie.example", "px.adorbit.example", "tag.trackwell.example"),
    "essaybrook": ("write.essaybrook.example", "api.essaybrook.example", "px.adorbit.example"),
    "factbarn": ("www.factbarn.example",),
    "flashnook": ("cards.flashnook.example",),
    "hidden": ("public.ech.example",),
    "lunch": ("lunch.prairielakes.example", "fonts.typeharbor.example"),
    "mapquill": ("atlas.mapquill.example", "tiles.mapquill.example"),
    "pixelpaws": ("studio.pixelpaws.example", "api.pixelpaws.example"),
    "pulsequest": ("ask.pulsequest.example", "metrics.pulsequest.example"),
    "quizgale": ("play.quizgale.example", "live.quizgale.example"),
    "rollcallkit": ("console.rollcallkit.example",),
    "sketchmeadow": ("draw.sketchmeadow.example", "fonts.typeharbor.example"),
    "skyglance": ("www.skyglance.example", "px.adorbit.example"),
    "storyharbor": ("read.storyharbor.example", "audio.storyharbor.example"),
    "tutorlark": ("chat.tutorlark.example", "api.tutorlark.example"),
    "tutorlark-advert": ("www.tutorlark.example",),
    "wordloom": ("app.wordloom.example", "words.wordloom.example", "rec.replaylens.example"),
}
"""What a browser opens for each site: first the page, then what the page embeds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lesson:
    """A class opens a site together, each pupil within a few minutes."""

    at: str
    """Local time."""
    who: str
    """Class."""
    site: str
    """Key of `_OPENS`."""
    how_many: int = 99
    """The first so many of the class; all, if it has fewer."""
    spread_min: int = 8
    """Within how many minutes they open it."""


_LESSONS: Final = (
    _Lesson(at="07:36", who="ms-staff", site="rollcallkit", how_many=4),
    _Lesson(at="07:38", who="es-staff", site="rollcallkit"),
    _Lesson(at="07:44", who="ms-staff", site="sketchmeadow", how_many=3),
    _Lesson(at="07:50", who="es-staff", site="dailyprairie", how_many=3, spread_min=14),
    _Lesson(at="07:52", who="ms-staff", site="skyglance", how_many=3, spread_min=14),
    _Lesson(at="08:12", who="es-staff", site="tutorlark-advert", how_many=3),
    _Lesson(at="08:30", who="grade3", site="countwell"),
    _Lesson(at="08:40", who="grade5", site="storyharbor"),
    _Lesson(at="09:00", who="grade6", site="essaybrook", spread_min=12),
    _Lesson(at="09:22", who="grade3", site="countwell", how_many=4),
    _Lesson(at="09:30", who="grade7b", site="tutorlark"),
    _Lesson(at="09:45", who="grade8", site="quizgale"),
    _Lesson(at="10:05", who="grade3", site="pixelpaws", how_many=5),
    _Lesson(at="10:08", who="grade8", site="pixelpaws"),
    _Lesson(at="10:20", who="grade5", site="wordloom", spread_min=14),
    _Lesson(at="10:30", who="grade6", site="mapquill"),
    _Lesson(at="10:55", who="grade8", site="tutorlark", how_many=4),
    _Lesson(at="11:05", who="grade6", site="tutorlark", how_many=2),
    _Lesson(at="11:10", who="grade3", site="choirbox"),
    _Lesson(at="11:30", who="es-staff", site="lunch", how_many=3),
    _Lesson(at="11:45", who="grade8", site="cityscores", how_many=3, spread_min=20),
    _Lesson(at="11:48", who="ms-staff", site="dailyprairie", how_many=3, spread_min=25),
    _Lesson(at="11:50", who="grade6", site="hidden", how_many=4, spread_min=25),
    _Lesson(at="11:52", who="grade7b", site="skyglance", how_many=3, spread_min=20),
    _Lesson(at="11:55", who="guest", site="quizgale"),
    _Lesson(at="12:05", who="guest", site="hidden"),
    _Lesson(at="12:10", who="ms-staff", site="flashnook", how_many=2),
    _Lesson(at="12:30", who="grade6", site="clipstage", how_many=5),
    _Lesson(at="13:00", who="grade7b", site="countwell"),
    _Lesson(at="13:20", who="grade5", site="countwell"),
    _Lesson(at="13:30", who="grade8", site="pulsequest"),
    _Lesson(at="13:35", who="grade6", site="pulsequest", how_many=3),
    _Lesson(at="14:00", who="grade7b", site="essaybrook", spread_min=14),
    _Lesson(at="14:20", who="grade3", site="sketchmeadow", how_many=5),
    _Lesson(at="14:40", who="grade6", site="wordloom", spread_min=14),
    _Lesson(at="14:45", who="grade8", site="essaybrook", spread_min=14),
    _Lesson(at="15:05", who="grade7b", site="factbarn", how_many=4),
    _Lesson(at="15:10", who="es-staff", site="wordloom", how_many=2),
    _Lesson(at="15:25", who="ms-staff", site="factbarn", how_many=3),
    _Lesson(at="15:30", who="grade8", site="factbarn", how_many=3),
)


def school_day() -> list[Frame]:
    """Return every frame of the day, in no particular order."""
    chance = Chance(SEED)
    tap = Tap(chance.fork("tap"))
    _beacons(tap, chance=chance.fork("beacons"))
    for lesson in _LESSONS:
        own = chance.fork(f"{lesson.at}/{lesson.who}/{lesson.site}")
        for device in cast.DEVICES[lesson.who][: lesson.how_many]:
            start_us = _clock(lesson.at) + own.below(lesson.spread_min * _MINUTE)
            _visit(tap, device=device, site=lesson.site, at_us=start_us, chance=own)
    _choir_practice(tap, chance=chance.fork("choir"))
    _film_project(tap, chance=chance.fork("film"))
    _late_reader(tap, chance=chance.fork("late"))
    _shared_drawing(tap, chance=chance.fork("drawing"))
    _background(tap, chance=chance.fork("background"))
    return tap.frames


def _clock(local: str) -> int:
    hours, minutes = local.split(":")
    return _MIDNIGHT_US + (int(hours) * 60 + int(minutes)) * _MINUTE


def _visit(tap: Tap, *, device: cast.Device, site: str, at_us: int, chance: Chance) -> None:
    first, *embedded = _OPENS[site]
    if chance.often(15):
        # Browsers open a second connection to be ready, and often never use it.
        tap.opens(device, name=first, at_us=at_us + 12 * _MS, exchanges=())
    tap.opens(device, name=first, at_us=at_us, exchanges=_reading(chance))
    for place, name in enumerate(embedded, start=1):
        start_us = at_us + place * 140 * _MS + chance.below(160 * _MS)
        tap.opens(device, name=name, at_us=start_us, exchanges=_fetching(chance))


def _reading(chance: Chance) -> Sequence[Exchange]:
    return [
        Exchange(
            after_us=chance.between(300, high=14_000) * _MS,
            up=chance.between(700, high=1_900),
            down=chance.between(2_000, high=48_000),
        )
        for _ in range(chance.between(2, high=4))
    ]


def _fetching(chance: Chance) -> Sequence[Exchange]:
    return [
        Exchange(
            after_us=chance.between(5, high=3_000) * _MS,
            up=chance.between(1_300, high=2_400),
            down=chance.between(300, high=9_000),
        )
        for _ in range(chance.between(1, high=2))
    ]


def _beacons(tap: Tap, *, chance: Chance) -> None:
    """The tablets of grade 5 stand in their charging cart and report to the device manager, day and night."""
    for start, rounds in (("05:02", 4), ("10:00", 1), ("18:01", 4)):
        for device in cast.DEVICES["grade5"][:6]:
            first_us = _clock(start) + chance.below(5 * _MINUTE)
            for number in range(rounds):
                at_us = first_us + number * 12 * _MINUTE + chance.below(4 * _S)
                report = Exchange(after_us=20 * _MS, up=1_240 + chance.below(60), down=310)
                tap.opens(device, name="agent.rollcallkit.example", at_us=at_us, exchanges=[report])


def _choir_practice(tap: Tap, *, chance: Chance) -> None:
    """Grade 3 logs its singing practice, in clear text and with the cookie that says who sings."""
    for device in cast.DEVICES["grade3"][:6]:
        at_us = _clock("11:14") + chance.below(8 * _MINUTE)
        cookie = f"Cookie: singer={chance.octets(9).hex()}\r\n"
        minutes = f"minutes={chance.between(5, high=25)}&song=river"
        head = f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(minutes)}\r\n"
        pages = [
            Page(
                after_us=40 * _MS,
                request=_request("GET /diary", host="practice.choirbox.example", extra=cookie),
                answer=_answer("200 OK", extra="Content-Length: 5200\r\n"),
                body=5_200,
            ),
            Page(
                after_us=24 * _S,
                request=_request("POST /diary", host="practice.choirbox.example", extra=cookie + head)
                + minutes.encode(),
                answer=_answer("204 No Content"),
            ),
        ]
        tap.reads_clear_text(device, name="practice.choirbox.example", at_us=at_us, pages=pages)


def _film_project(tap: Tap, *, chance: Chance) -> None:
    """Grade 6 uploads its films: three pupils far more than the agreement lets a device send, two just less."""
    megabytes = (11.8, 9.4, 7.3, 4.1, 3.6)
    for device, size in zip(cast.DEVICES["grade6"][:5], megabytes, strict=True):
        at_us = _clock("12:29") + chance.below(3 * _MINUTE)
        redirect = Page(
            after_us=30 * _MS,
            request=_request("GET /", host="clipstage.example"),
            answer=_answer("301 Moved Permanently", extra="Location: https://make.clipstage.example/\r\n"),
        )
        tap.reads_clear_text(device, name="clipstage.example", at_us=at_us, pages=[redirect])
        parts = [Exchange(after_us=4 * _S, up=int(size * 1_000_000) // 4, down=420) for _ in range(4)]
        start_us = _clock("12:42") + chance.below(10 * _MINUTE)
        tap.opens(device, name="upload.clipstage.example", at_us=start_us, exchanges=parts)


def _late_reader(tap: Tap, *, chance: Chance) -> None:
    """One teacher reads on at night; one person is no background traffic."""
    for at in ("20:11", "20:19", "20:32"):
        _visit(tap, device=cast.DEVICES["ms-staff"][1], site="wordloom", at_us=_clock(at), chance=chance)


def _shared_drawing(tap: Tap, *, chance: Chance) -> None:
    """Two teachers keep a shared drawing open through a meeting, on one connection each."""
    for device in cast.DEVICES["ms-staff"][:2]:
        strokes = [Exchange(after_us=44 * _S, up=180 + chance.below(300), down=240) for _ in range(22)]
        at_us = _clock("15:32") + chance.below(_MINUTE)
        tap.opens(device, name="sync.sketchmeadow.example", at_us=at_us, exchanges=strokes)


def _background(tap: Tap, *, chance: Chance) -> None:
    """What devices do by themselves, and what no monitor can name."""
    bare = Page(
        after_us=20 * _MS,
        request=_request("GET /generate_204", host="connectivity.slateos.example"),
        answer=_answer("204 No Content"),
    )
    chunk = [Exchange(after_us=2 * _S, up=300, down=700) for _ in range(2)]
    for label in ("grade3", "grade6", "grade8"):
        for device in cast.DEVICES[label][:4]:
            at_us = _clock("07:31") + chance.below(20 * _MINUTE)
            tap.reads_clear_text(device, name="connectivity.slateos.example", at_us=at_us, pages=[bare])
            later_us = at_us + 9 * _MINUTE + chance.below(200 * _MINUTE)
            tap.opens(device, name="update.slateos.example", at_us=later_us, exchanges=_fetching(chance))
    for device in cast.DEVICES["grade8"][:4]:
        at_us = _clock("08:02") + chance.below(30 * _MINUTE)
        tap.pushes(device, name="push.slateos.example", at_us=at_us, exchanges=chunk)
        tap.sends_datagrams(device, port=123, at_us=at_us + _MINUTE, sizes=[(48, 48)])
    for device in cast.DEVICES["ms-staff"][:3]:
        at_us = _clock("12:15") + chance.below(20 * _MINUTE)
        call = [(172, 172)] * 6
        tap.opens(device, name="dns.clearlookup.example", at_us=at_us, exchanges=chunk)
        tap.opens_without_name(device, at_us=at_us + 3 * _MINUTE, exchanges=chunk)
        tap.sends_datagrams(device, port=3478, at_us=at_us + 5 * _MINUTE, sizes=call)


def _request(line: str, *, host: str, extra: str = "") -> bytes:
    return f"{line} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\n{extra}\r\n".encode()


def _answer(status: str, *, extra: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nServer: web\r\n{extra}\r\n".encode()
