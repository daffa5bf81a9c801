"""`hwctl serve`: put a board behind a pseudo-terminal or a loopback TCP port."""

import signal
from typing import Annotated

import typer

from hwctl.errors import BadInput


def serve(
    target: Annotated[str, typer.Argument(metavar="TARGET", help="Board to serve, for example 'emulator:?seed=3'.")],
    pty: Annotated[bool, typer.Option("--pty", help="Behind a pseudo-terminal.")] = False,
    tcp: Annotated[
        int | None, typer.Option("--tcp", metavar="PORT", min=0, max=65535, help="On the loopback; 0: any free port.")
    ] = None,
) -> None:
    """Serve a board to one client at a time. The first line says what to give to --target.

    A client that goes leaves the board SAFE. A board in another room is reached through 'ssh -L PORT:localhost:PORT'.
    """
    from hwctl.links import open_link  # noqa: PLC0415  not needed for --help
    from hwctl.links.inprocess import InProcessLink  # noqa: PLC0415
    from hwctl.links.listen import PtyStream, Relay, Served, TcpStream  # noqa: PLC0415
    from hwctl.links.listen import serve as run  # noqa: PLC0415
    from hwctl.links.raw import is_line, open_port  # noqa: PLC0415
    from hwctl.links.server import BoardServer  # noqa: PLC0415

    if pty == (tcp is not None):
        raise BadInput("say where to serve: --pty, or --tcp PORT")
    stopped: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _: stopped.append(received))
    board = open_port(target) if is_line(target) else open_link(target)
    if isinstance(board, InProcessLink):
        board.prepare()
    far = Relay(board) if is_line(target) else Served(BoardServer(board))  # type: ignore[arg-type]
    try:
        stream = PtyStream() if tcp is None else TcpStream(tcp)
        typer.echo(stream.url)
        try:
            run(stream, far, lambda: bool(stopped))
        finally:
            stream.close()
    finally:
        far.client_left()
        board.close()
