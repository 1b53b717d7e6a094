"""Nothing reaches out: real commands in a network namespace that has no route anywhere.

The kernel counts the packets that found no route, whichever library tried to send them: the
commands must work there, and must not even try. The whole suite runs so by

    unshare -n sh -c 'ip link set lo up && python -m pytest'

(as root; any other user puts -rn for -n, where the kernel allows that).
"""

import json
import os
import shutil
import subprocess
import sys

import pytest

from page_parts import write_corpus

pytestmark = pytest.mark.real

_ENTRY = [sys.executable, "-m", "askpapers"]
_REACH_OUT = """
import socket
for attempt in (
    lambda: socket.create_connection(("192.0.2.1", 443), timeout=5),
    lambda: socket.create_connection(("2001:db8::1", 443), timeout=5),
):
    try:
        attempt()
    except OSError as exc:
        print(exc)
    else:
        raise SystemExit("there is a way out")
"""


@pytest.fixture(scope="module")
def isolated():
    """A function that runs a command without network; returns (its result, failed attempts)."""
    if shutil.which("unshare") is None:
        pytest.skip("unshare (util-linux) is not installed")
    for options in (["-n"], ["-rn"]):
        if subprocess.run(["unshare", *options, "true"], capture_output=True).returncode == 0:
            break
    else:
        pytest.skip("the kernel lets this user make no network namespace")

    def run(*command, home=None):
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "GRADIO_"))}
        if home is not None:
            environment["ASKPAPERS_HOME"] = str(home)
        # The namespace, and its counters with it, end with the command: they are read inside.
        script = '"$@"; code=$?; cat /proc/net/snmp /proc/net/snmp6 >&2; exit $code'
        result = subprocess.run(
            ["unshare", *options, "sh", "-c", script, "sh", *map(str, command)],
            capture_output=True,
            text=True,
            env=environment,
            timeout=300,
            check=False,
        )
        return result, count_routeless(result.stderr)

    return run


def count_routeless(text):
    """Return how many packets found no route, of both versions of IP."""
    names, values = (line.split()[1:] for line in text.splitlines() if line.startswith("Ip: "))
    old = int(dict(zip(names, values, strict=True))["OutNoRoutes"])
    new = [line.split()[1] for line in text.splitlines() if line.startswith("Ip6OutNoRoutes")]
    return old + sum(map(int, new))


@pytest.fixture(scope="module")
def home(isolated, tmp_path_factory):
    """An index that real parts built without network."""
    folder = tmp_path_factory.mktemp("offline")
    corpus = write_corpus(folder)
    result, attempts = isolated(*_ENTRY, "index", "build", corpus, home=folder / "home")
    assert result.returncode == 0, result.stderr[-2000:]
    assert attempts == 0
    return folder / "home"


def test_the_namespace_has_no_way_out_and_counts_who_tries(isolated):
    result, attempts = isolated(sys.executable, "-c", _REACH_OUT)
    assert result.returncode == 0, result.stdout
    assert attempts >= 1


def test_searching_needs_no_network_and_tries_none(isolated, home):
    result, attempts = isolated(
        *_ENTRY, "search", "How does group attention save memory?", "--json", home=home
    )
    assert result.returncode == 0, result.stderr[-2000:]
    assert json.loads(result.stdout)["hits"][0]["paper_id"] == "rita"
    assert attempts == 0


def test_asking_needs_no_network_and_tries_none(isolated, home):
    result, attempts = isolated(
        *_ENTRY, "ask", "--quote-only", "How does RITA lower the memory cost?", "--json", home=home
    )
    assert result.returncode in (0, 10), result.stderr[-2000:]
    assert json.loads(result.stdout)["status"] in ("answered", "abstained")
    assert attempts == 0
