"""`dropreel board`: starts the server, prints its address and opens it."""

from __future__ import annotations

import importlib.util
import os
import sys
import webbrowser
from typing import TYPE_CHECKING

from dropreel_cli.exits import CommandError, Exit

if TYPE_CHECKING:
    from datetime import datetime

    from dropreel_cli.command_line import StackOptions
    from dropreel_cli.output import Output

_PACKAGES = ("starlette", "jinja2", "uvicorn", "PIL", "pi_heif")
_CONSOLE_BROWSERS = ("w3m", "www-browser", "links", "elinks", "lynx")
"""Browsers in the terminal: they run no JavaScript, and would take it over."""


def missing_packages() -> list[str]:
    """Return the packages of the extra `board` that are not installed."""
    return [name for name in _PACKAGES if importlib.util.find_spec(name) is None]


def require_extra() -> None:
    """Raise CommandError (USAGE) where the extra `board` is not installed."""
    if missing := missing_packages():
        raise CommandError(
            f"The board needs packages that are not installed ({', '.join(missing)}): install the command with its extra, "
            "pipx install --force '.[board]' in a checkout.",
            Exit.USAGE,
        )


def serve(options: StackOptions, output: Output, since: datetime, *, host: str, port: int, opens: bool | None) -> int:
    """Serve the board until Ctrl-C; return the exit status."""
    require_extra()
    from dropreel_cli.web.credentials import with_renewed_credentials
    from dropreel_cli.web.server import BoardServer

    stack = options.connect()
    if not options.local:
        stack = with_renewed_credentials(stack, options.profile)
    server = BoardServer(stack, since, host=host, port=port, arguments=options.arguments)
    output.document(
        {"address": server.address, "port": server.port, "stack": stack.name, "network_address": server.network_address}
    )
    output.text(f"The board of {stack.name}: {server.address}")
    if server.network_address:
        output.text(f"On another device: {server.network_address}")
    sys.stdout.flush()
    output.note("The address has a token: who has it can spend. Ctrl-C ends the board; the stack works without it.")
    if not server.is_loopback:
        output.note(f"It listens on {host} without encryption: the token can be read on the network.", "bold red")
    open_browser(server.address, output, opens)
    server.run()
    for sentence in server.site.drafts.sentences:
        output.note(
            f"An upload was ended with the board. {sentence} Drop the same files again with the same options to continue."
        )
    return Exit.DONE


def open_browser(address: str, output: Output, opens: bool | None) -> None:
    """Open the board in a browser: where asked to, or by default from a terminal on a screen. It may fail."""
    from dropreel_cli.web.access import ticket_address

    if opens is False or (opens is None and not (sys.stdout.isatty() and has_screen())):
        return
    try:
        is_open = not _is_console(webbrowser.get()) and webbrowser.open(ticket_address(address))
    except (webbrowser.Error, OSError):
        is_open = False
    if not is_open:
        output.note("No browser could be opened: open the address yourself.")


def has_screen() -> bool:
    """Return whether a browser's window would be seen."""
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _is_console(browser: webbrowser.BaseBrowser) -> bool:
    return os.path.basename(str(getattr(browser, "name", ""))) in _CONSOLE_BROWSERS  # noqa: PTH119 - it may be no path
