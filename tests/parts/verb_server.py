"""Runs verbs of the command line for tests, each in a process of its own, forked from one that has loaded the program.

Loading takes longer than most verbs take to do their work. What a verb sees is what it sees when a user starts it: its
own process, words, folder, environment and files; only the modules and the tables that come with them are there
already. `verbs.py` is the other side for verbs that run to their end, `verb_program.py` for those that stay.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import importlib
import io
import json
import os
import pkgutil
import select
import signal
import socket
import sys
import threading
import traceback
from pathlib import Path
from typing import Any, NoReturn

LONGEST_REQUEST = 1 << 20
FILES = 3
PR_SET_PDEATHSIG = 1  # prctl(2)
SAMPLE = Path(__file__).resolve().parents[2] / "rules" / "sample"


def main() -> None:
    """Serve the socket that is standard input until whoever asks lets go of it."""
    asker = socket.socket(fileno=os.dup(0))
    _load()
    # What is loaded is never garbage: to look through it would copy it into every process.
    gc.collect()
    gc.freeze()
    keepers: list[int] = []
    while True:
        words, files, _flags, _address = socket.recv_fds(asker, LONGEST_REQUEST, FILES)
        if not words:
            return
        request = json.loads(words)
        child = os.fork()
        if child == 0:
            asker.close()
            if request["stays"]:
                _keep(request, files=files)
            _run(request, files=files)
        for file in files:
            os.close(file)
        keepers = [keeper for keeper in keepers if not os.waitpid(keeper, os.WNOHANG)[0]]
        if request["stays"]:
            keepers.append(child)
            continue
        asker.send(str(child).encode())
        _, status = os.waitpid(child, 0)
        asker.send(str(os.waitstatus_to_exitcode(status)).encode())


def _load() -> None:
    import schoolgate  # noqa: PLC0415 -- loading it is what this process is for
    from collector.hosts import is_public_suffix, is_registry_suffix  # noqa: PLC0415 -- the same
    from rules.rulebook import RulebookFiles, load_rulebook  # noqa: PLC0415 -- the same

    for module in pkgutil.iter_modules(schoolgate.__path__, prefix="schoolgate."):
        importlib.import_module(module.name)
    # The tables and the sample district that come with the program are read once, and are the same in every process.
    load_rulebook(
        RulebookFiles(
            agreements=SAMPLE / "agreements", network=SAMPLE / "network.yaml", parties=(SAMPLE / "parties.yaml",)
        )
    )
    is_public_suffix("school.example")
    is_registry_suffix("school.example")


def _keep(request: dict[str, Any], *, files: list[int]) -> NoReturn:
    """Hold a verb that stays on its leash, as `leash.py` does: tell its process id, and its exit code at its end."""
    leash, told, log = files
    keeper = os.getpid()
    program = os.fork()
    if program == 0:
        # Should the keeper be killed, nobody is left to kill the program: then the kernel does.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != keeper:
            os._exit(1)
        os.close(leash)
        os.close(told)
        _run(request, files=[os.open(os.devnull, os.O_RDONLY), log, os.dup(log)])
    os.write(told, b"%d\n" % program)
    ended = os.pidfd_open(program)
    # Until whoever asked has taken hold of it, its number stays its own, though it may have ended.
    ready = select.select([leash, ended], [], [])[0] if os.read(leash, 1) else []
    if ended not in ready:
        os.kill(program, signal.SIGKILL)
    _, status = os.waitpid(program, 0)
    code = os.waitstatus_to_exitcode(status)
    with contextlib.suppress(BrokenPipeError):  # whoever asked has gone
        os.write(told, b"%d\n" % (code if code >= 0 else 128 - code))
    os._exit(0)


def _run(request: dict[str, Any], *, files: list[int]) -> NoReturn:
    code = 1
    try:
        for number, file in enumerate(files):
            os.dup2(file, number)
        os.closerange(FILES, max(files) + 1)
        # A killed test run leaves nothing behind.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(request["environment"])
        sys.stdin, sys.stdout, sys.stderr = (
            io.TextIOWrapper(io.BufferedReader(io.FileIO(0, "r", closefd=False))),
            io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, "w", closefd=False))),
            io.TextIOWrapper(io.BufferedWriter(io.FileIO(2, "w", closefd=False)), line_buffering=True),
        )
        sys.argv = ["schoolgate", *request["words"]]
        code = _main()
    except BaseException:  # noqa: BLE001 -- the top of a process: what comes so far is shown as Python shows it
        traceback.print_exc()
    finally:
        os._exit(code)


def _main() -> int:
    from schoolgate.__main__ import main as run_verb  # noqa: PLC0415 -- loaded long ago

    try:
        run_verb()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        threading._shutdown()  # type: ignore[attr-defined] # what an interpreter does at its end
        atexit._run_exitfuncs()
        sys.stdout.flush()


if __name__ == "__main__":
    main()
