"""Runs one verb; what goes wrong becomes one clear message a problem and an exit code, never a traceback."""

from __future__ import annotations

import signal
import sys
from typing import NoReturn

from collector.sources.errors import NoSuchInterfaceError, TapError
from collector.wrong_input import WrongInputError
from rules.errors import StoreError
from schoolgate.shell import EnvironmentFailedError, Exit, end_with_the_reader, leave, need_streams, say


def main() -> NoReturn:
    """Run the verb that the command line names."""
    try:
        need_streams()
        _run(sys.argv[1:])
    except (WrongInputError, NoSuchInterfaceError) as error:
        say(str(error))
        sys.exit(Exit.WRONG_INPUT)
    except (StoreError, TapError, EnvironmentFailedError, OSError) as error:
        say(f"schoolgate: {error}")
        sys.exit(Exit.ENVIRONMENT)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    sys.exit(Exit.DONE)


def _run(arguments: list[str]) -> None:
    if arguments[:1] == ["flows"]:
        from schoolgate.flows import DEFAULT_SENSOR, flows, plain  # noqa: PLC0415 -- what no other verb needs

        captures = plain(arguments)
        if captures:
            end_with_the_reader()
            tables = flows(captures, network=None, sensor=DEFAULT_SENSOR, addresses=False)
            leave(tables)
    from schoolgate.verb_list import keep_only  # noqa: PLC0415 -- takes longer to load than a small capture takes to read
    from schoolgate.verbs import app  # noqa: PLC0415 -- the same

    if arguments:
        keep_only(arguments[0], app=app)
    app()


if __name__ == "__main__":
    main()
