"""Servers of graphs, in this process and in one of their own."""

import json
import subprocess
import sys
from contextlib import contextmanager

from gnnctl.graph.graph import Graph
from gnnctl.serving import GraphServer


@contextmanager
def serving(folder, **options):
    with GraphServer(Graph.open(folder / "graph"), "grpc://127.0.0.1:0", **options) as server:
        yield server, f"grpc://127.0.0.1:{server.port}"


@contextmanager
def server_process(folder, *options):
    command = [sys.executable, "-m", "gnnctl", "serve", str(folder / "graph"), "--json", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            text = ""
            while not text.endswith("}\n"):
                line = process.stdout.readline()
                assert line, process.stderr.read()
                text += line
            yield process, json.loads(text)["address"]
        finally:
            process.kill()


def done(result):
    code, out, err = result
    assert code == 0, err
    return out


def refused(result, code, words):
    found, out, err = result
    assert (found, out) == (code, ""), err
    assert len(err.splitlines()) == 1, err
    assert words in err
    return err
