"""Serve a graph to other machines: gnnctl serve run/graph --host 0.0.0.0 --port 7070 --token-file token"""

from pathlib import Path
from typing import Annotated

import typer

from gnnctl import options
from gnnctl.console import Console
from gnnctl.errors import ResourceError, UsageError
from gnnctl.options import remote

LOOPBACK = ("127.0.0.1", "localhost", "::1")
GRACE = 2.0  # seconds that answers under way have when the server is stopped


def serve(
    graph: Annotated[Path, typer.Argument(metavar="GRAPH", help="Graph artifact.")],
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free one.", min=0, max=65535)] = 0,
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="File with the token that clients must bring. Default: the environment's GNNCTL_TOKEN.",
            exists=True,
            dir_okay=False,
            show_default=False,
        ),
    ] = None,
    tls_cert: remote.TlsCert = None,
    tls_key: remote.TlsKey = None,
    memory: Annotated[int, typer.Option(help="MB of unread answers and of views a client.", min=2)] = 256,
    threads: Annotated[int, typer.Option(help="Threads that sample and gather.", min=1)] = 2,
    json: options.Json = False,
    quiet: options.Quiet = False,
    config: options.Config = None,
    traceback: options.Traceback = False,
) -> None:
    """Serve a graph to train, sample, predict, explain --graph grpc://HOST:PORT. Ctrl-C or SIGTERM ends it, with 0."""
    import os
    import signal
    import sys
    import threading

    from gnnctl.graph.graph import Graph
    from gnnctl.remote.connection import read_certificate
    from gnnctl.remote.graph import read_token
    from gnnctl.serving import GraphServer

    console = Console("serve", json=json, quiet=quiet)
    tls = read_certificate(tls_cert, tls_key)
    token = os.environ.get("GNNCTL_TOKEN") if token_file is None else read_token(token_file)
    if not token and host not in LOOPBACK:
        raise UsageError(f"--host {host}: without a token anyone could read the graph", fix="pass --token-file")
    if tls is None and host not in LOOPBACK:
        console.warn("without --tls-cert and --tls-key the token and the data can be read on the way")
    opened = Graph.open(graph)
    scheme = "grpc" if tls is None else "grpc+tls"
    at = f"[{host}]" if ":" in host else host
    try:
        server = GraphServer(
            opened, f"{scheme}://{at}:{port}", token=token or None, tls=tls, memory=memory << 20, threads=threads
        )
    except (OSError, RuntimeError) as error:
        problem = " ".join(str(error).split())
        raise ResourceError(f"{host}:{port} cannot be listened at: {problem}", fix="choose another --port") from None
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    address = f"{scheme}://{at}:{server.port}"
    console.result({"address": address, "graph": str(graph), "fingerprint": opened.fingerprint}, address)
    console.log(f"serving {graph}{'' if token else ', to anyone on this machine'}; Ctrl-C stops")
    while not stop.wait(1.0):
        pass
    ending = threading.Thread(target=server.shutdown, daemon=True)
    ending.start()
    ending.join(GRACE)
    console.log("stopped")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # a client that reads no further would hold the process
