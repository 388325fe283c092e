"""No test leaves the machine: a Python process that finds this file on its path may connect to itself alone.

Python imports it at the start of each child process; conftest.py imports it for the tests' own. A program that isn't
Python, such as the browser, is watched where it is started.
"""

import socket
import sys

HERE = {"", "localhost", "0.0.0.0", "::", socket.gethostname()}


def is_here(host):
    text = host.decode() if isinstance(host, bytes) else host or ""
    return text in HERE or text.startswith(("127.", "::1"))


def stay_here(event, values):
    """An audit hook: connections by TCP, and looking up names. UDP's connect sends nothing, and tells one's address."""
    if event == "socket.connect" and values[0].family != socket.AF_UNIX and values[0].type != socket.SOCK_DGRAM:
        host = values[1][0]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = values[0]
    else:
        return
    if not is_here(host):
        raise RuntimeError(f"tests run without a network, and something asked for {host}")


sys.addaudithook(stay_here)
