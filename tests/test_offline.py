"""The guard itself: neither the tests' process nor one that it starts reaches another machine."""

import socket
import subprocess
import sys

import pytest

ELSEWHERE = "192.0.2.1"  # kept for documentation: no machine has it


def test_this_process_stays_on_its_machine():
    with pytest.raises(RuntimeError, match=f"without a network, and something asked for {ELSEWHERE}"):
        socket.create_connection((ELSEWHERE, 80), timeout=1)
    with pytest.raises(RuntimeError, match=r"asked for example\.org"):
        socket.getaddrinfo("example.org", 443)
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=5).close()


def test_a_process_that_a_test_starts_stays_there_too():
    code = f"import urllib.request; urllib.request.urlopen('http://{ELSEWHERE}/', timeout=1)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1 and f"something asked for {ELSEWHERE}" in done.stderr
