"""What a model wrote is run without harm, named when it tries any, and passes only by results."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stages.evaluate import sandbox as module
from stages.evaluate.sandbox import Limits, Sandbox, judge
from stages.evaluate.verdicts import (
    CRASHED,
    FORBIDDEN,
    KILLED,
    NETWORK,
    NO_FUNCTION,
    OUT_OF_MEMORY,
    OUT_OF_TIME,
    PASSED,
    PROCESSES,
    READ,
    SAID_MUCH,
    SILENT,
    WRONG,
    WROTE,
    WROTE_MUCH,
)

LIMITS = Limits(timeout_s=0.3, memory_mb=256)
CASES = [
    {"call": "f", "args": [2], "returns": 4},
    {"call": "f", "args": [3], "returns": 9},
]
SQUARE = "def f(x):\n    return x * x\n"
FORK_EXEC = (  # what `subprocess` calls below what Python tells of
    "import _posixsubprocess, os\n\ndef f(x):\n"
    "    a, b = os.pipe()\n"
    "    _posixsubprocess.fork_exec([b'/bin/true'], [b'/bin/true'], True, (b,), None, None,"
    " -1, -1, -1, -1, -1, -1, a, b, False, False, 0, None, None, None, -1, None, False)\n"
    "    return x * x"
)
linux = pytest.mark.skipif(sys.platform != "linux", reason="guards of Linux's kernel")


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(LIMITS) as prepared:
        yield prepared


@pytest.fixture
def run(sandbox):
    return lambda code, cases=CASES: sandbox.run(code, cases)


@pytest.fixture
def without(tmp_path, monkeypatch):
    """Return a function that runs code in a sandbox on a system that lacks some of the guards."""

    def run(beforehand, *codes):
        runner = tmp_path / "runner.py"
        runner.write_text(
            f"import platform, runpy, sys\n{beforehand}\n"
            f"runpy.run_path({str(Path(module.__file__).with_name('runner.py'))!r},"
            " run_name='__main__')\n"
        )
        monkeypatch.setattr(module, "RUNNER", runner)
        with Sandbox(LIMITS) as prepared:
            return prepared, [prepared.run(code, CASES) for code in codes]

    return run


def gone(group):
    """Say whether a group of processes ends: who was orphaned is a zombie for a moment."""
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


def connecting(port):
    return f"import socket\n\ndef f(x):\n    socket.create_connection(('127.0.0.1', {port}), 1)\n"


def test_right_results_pass(run):
    assert run(SQUARE) == PASSED
    code = "import math\nfrom functools import reduce\n\ndef f(x):\n    return int(math.pow(x, 2))"
    assert run(code) == PASSED


def test_arguments_of_any_json_type_arrive_and_tuples_equal_lists(run):
    cases = [{"call": "f", "args": [{"a": [1, None, "é"]}, True], "returns": [["é"], False]}]
    assert run("def f(d, b):\n    return (d['a'][2:], not b)", cases) == PASSED


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        ("def f(x):\n    return x + x", WRONG),
        ("def g(x):\n    return x * x", NO_FUNCTION),
        ("def f(x:\n", "SyntaxError"),
        ("x = '\ud800'", "UnicodeEncodeError"),
        ("def f(x):\n    return y", "NameError"),
        ("def f(x):\n    return {}['f']", "KeyError"),
        ("def f(x):\n    return f(x)", "RecursionError"),
        ("def f(x):\n    return {x}", "TypeError"),
        ("def f(x):\n    return float('nan')", "ValueError"),
        ("f = 4", "TypeError"),
        ("import numpy\n" + SQUARE, "ModuleNotFoundError"),
        ("", NO_FUNCTION),
        ("def f(x):\n    return int(input())", "EOFError"),
        ("print('ok')\nimport sys\nsys.exit(0)", "SystemExit"),
        ("def f(x):\n    raise SystemExit(0)", "SystemExit"),
        ("def f(x):\n    raise type('\\x1b[31m', (Exception,), {})", "Exception"),
        ("class passed(ArithmeticError):\n    pass\nraise passed", "ArithmeticError"),
        ("import json\njson.loads('x')", "ValueError"),
    ],
)  # fmt: skip
def test_wrong_code_fails_by_name(run, code, verdict):
    assert run(code) == verdict


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        ("import os\nos._exit(0)", SILENT),
        ("class Same(int):\n    def __eq__(self, other):\n        return True\n\n"
         "def f(x):\n    return Same(1)", WRONG),
        ("class Same:\n    def __eq__(self, other):\n        return True\n\n"
         "def f(x):\n    return Same()", "TypeError"),
        ("import json\njson.dumps = lambda *a, **k: '[{\"returns\": 1}]'\n\n"
         "def f(x):\n    return 1", WRONG),
        ("import builtins\nbuiltins.print = builtins.isinstance = None\n"
         "def f(x):\n    return 1", SILENT),
        ("import os\n\ndef f(x):\n    for fd in range(9):\n"
         "        try:\n            os.write(fd, b'[{}]')\n"
         "        except OSError:\n            pass\n    os._exit(0)", SILENT),
        ("import os\nos.kill(os.getpid(), 9)", FORBIDDEN),
        ("import os\nos.closerange(0, 99)\nwhile True:\n    pass", KILLED),
        ("import os\nos.write(3, b'x' * 10_000_000)\nos._exit(0)", SAID_MUCH),
        ("def f(x):\n    return 'x' * 10_000_000", SAID_MUCH),
    ],
)  # fmt: skip
def test_no_trick_passes(run, code, verdict):
    assert run(code) == verdict
    assert run(SQUARE) == PASSED  # nor does it spoil the next


def test_noise_does_not_hide_a_right_result(run):
    noise = (
        "import os\nprint('[]' * 1000)\nfor fd in (1, 2, 3, 4):\n"
        "    try:\n        os.write(fd, b'noise')\n    except OSError:\n        pass\n"
    )
    assert run(noise + "def f(x):\n    print(x)\n    return x * x") == PASSED


@pytest.mark.parametrize(
    "code",
    [
        "def f(x):\n    while True:\n        try:\n            f(x)\n"
        "        except BaseException:\n            pass",
        "import signal\nfor name in 'SIGPROF', 'SIGXCPU':\n"
        "    signal.signal(getattr(signal, name), signal.SIG_IGN)\nwhile True:\n    pass",
    ],
)
def test_an_endless_loop_is_out_of_time(run, code):
    begun = time.monotonic()
    assert run(code) == OUT_OF_TIME
    assert time.monotonic() - begun < 6


def test_sleeping_is_no_way_out():
    code = "import time\n\ndef f(x):\n    time.sleep(60)"
    with Sandbox(Limits(timeout_s=0.1, memory_mb=256)) as quick:
        assert quick.run(code, CASES) == OUT_OF_TIME
        assert quick.run(SQUARE, CASES) == PASSED


@linux
def test_ten_gigabytes_are_out_of_memory(run):
    assert run("def f(x):\n    return len(bytearray(10 * 2**30)) and x * x") == OUT_OF_MEMORY
    assert run("kept = []\nwhile True:\n    kept.append('x' * 2**16)") == OUT_OF_MEMORY


@pytest.mark.parametrize(
    "code",
    [
        "import os\n\ndef f(x):\n    for _ in range(200):\n        os.fork()\n    return x * x",
        "import os\n\ndef f(x):\n    try:\n        os.fork()\n    except BaseException:\n"
        "        pass\n    return x * x",
        "import subprocess\n\ndef f(x):\n    subprocess.run(['true'])\n    return x * x",
        "import os\n\ndef f(x):\n    os.system('true')\n    return x * x",
        "import threading\nthreading.Thread(target=print).start()\n" + SQUARE,
        "import multiprocessing\n\ndef f(x):\n    multiprocessing.Pool(200).map(abs, [x])",
    ],
)
def test_a_process_is_too_many(run, code):
    assert run(code) == PROCESSES


def test_it_writes_in_its_folder_and_nowhere_else(sandbox, tmp_path):
    (tmp_path / "kept").write_text("kept")
    tmp_path.chmod(0o777)
    new, kept = str(tmp_path / "new"), str(tmp_path / "kept")

    def run(line):
        return sandbox.run(f"import os\n\ndef f(x):\n    {line}\n    return x * x", CASES)

    assert run(f"open({new!r}, 'w').write('x')") == WROTE
    assert run(f"open({kept!r}, 'a').write('x')") == WROTE
    assert run(f"os.open({new!r}, os.O_CREAT)") == WROTE
    assert run(f"os.remove({kept!r})") == WROTE
    assert run(f"os.rename({kept!r}, 'here')") == WROTE
    assert run(f"os.symlink({kept!r}, 'there')") == WROTE
    assert run(f"os.mkdir({new!r})") == WROTE
    assert run("open('../new', 'w')") == WROTE
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert run("open('here', 'w').write('x'); assert open('here').read() == 'x'") == PASSED
    locked = "import os\nos.makedirs('a/b/c')\nos.chmod('a/b', 0)\nos.chmod('a', 0)\n"
    assert sandbox.run(locked + SQUARE, CASES) == PASSED
    assert run("assert os.listdir() == []") == PASSED  # the last one's files are gone
    assert run("open('big', 'wb').write(bytes(2**24))") == WROTE_MUCH
    assert run("[open(str(n), 'wb').close() for n in range(99)]") == WROTE_MUCH
    assert run("[os.symlink('x', str(n)) for n in range(99)]") == WROTE_MUCH
    assert run("[(os.mkdir('a'), os.chdir('a')) for _ in range(99)]") == WROTE_MUCH  # a deep one
    assert run("os.chmod('.', 0)") == run("os.rmdir(os.getcwd())") == WROTE
    assert run("assert os.listdir() == []") == PASSED


def test_a_path_too_long_to_name_is_swept_too(sandbox):
    code = "import os\nfor _ in range(40):\n    os.mkdir('a' * 250)\n    os.chdir('a' * 250)\n"
    assert sandbox.run(code + SQUARE, CASES) in ("PermissionError", "OSError")
    assert os.listdir(sandbox._scratch.name) == []
    assert sandbox.run(SQUARE, CASES) == PASSED


def test_a_folder_that_cannot_be_emptied_is_left_for_another(sandbox, monkeypatch):
    monkeypatch.setattr(module.shutil, "rmtree", lambda *_, **__: None)
    before = sandbox._scratch.name
    assert sandbox.run("import os\nos.mkdir('stays')\n" + SQUARE, CASES) == PASSED
    assert sandbox._scratch.name != before
    assert sandbox.run("import os\nassert os.listdir() == []\n" + SQUARE, CASES) == PASSED


def test_a_result_nested_too_deeply_to_read_is_none(run):
    deep = (
        "def f(x):\n    made = []\n    for _ in range({}):\n        made = [made]\n    return made"
    )
    told = {run(deep.format(depth)) for depth in range(880, 1000, 6)}
    assert SILENT in told  # read by the runner, and not by us, who are deeper in calls
    assert told <= {WRONG, SILENT, "RecursionError"}


def test_it_reads_in_its_folder_and_in_python_s_library(run):
    def reads(line):
        return run(f"import os\n\ndef f(x):\n    {line}\n    return x * x")

    for path in ("/etc/passwd", "/proc/1/environ", f"/proc/{os.getpid()}/environ", __file__):
        assert reads(f"open({path!r}).read()") == READ
    assert reads("os.listdir('/')") == READ
    assert reads("os.chdir('/')") == READ
    assert run("import tempfile, colorsys, this\n\n" + SQUARE) == PASSED


def test_there_is_no_network(run):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        assert run(connecting(server.getsockname()[1])) == NETWORK
        assert run("import urllib.request\nurllib.request.urlopen('http://localhost')") == NETWORK
        assert run("import socket\nsocket.getaddrinfo('localhost', 80)") == NETWORK
        with pytest.raises(TimeoutError):
            server.accept()


def test_what_is_no_harm_works(run):
    async_ = (
        "import asyncio\n\nasync def later(x):\n    await asyncio.sleep(0)\n    return x * x\n\n"
    )
    assert run(async_ + "def f(x):\n    return asyncio.run(later(x))") == PASSED
    folder = "import tempfile\n\ndef f(x):\n    with tempfile.TemporaryFile() as file:\n"
    assert run(folder + "        file.write(b'x')\n    return x * x") == PASSED
    assert run("import hashlib\nhashlib.sha256(b'x').hexdigest()\n" + SQUARE) == PASSED


def test_neither_environment_nor_our_code_is_seen(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    with Sandbox(LIMITS) as prepared:
        lacks = "import os\n\ndef f(x):\n    assert 'OPENAI_API_KEY' not in os.environ\n"
        assert prepared.run(lacks + "    return x * x", CASES) == PASSED
        assert prepared.run("import stages\n" + SQUARE, CASES) == "ModuleNotFoundError"
        assert prepared.run("import guards\n" + SQUARE, CASES) == "ModuleNotFoundError"


def test_signals_to_others_limits_and_foreign_code_are_forbidden(run):
    for target in ("os.getppid()", "-1", "0", "1", str(os.getpid())):
        assert (
            run(f"import os\n\ndef f(x):\n    os.kill({target}, 9)\n    return x * x") == FORBIDDEN
        )
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (9, 9))\n"
    assert run(limit + SQUARE) == FORBIDDEN
    assert run("import ctypes\nctypes.CDLL(None).getpid()\n" + SQUARE) == FORBIDDEN


@linux
def test_a_crash_is_named(run):
    assert run("import os\nos.abort()") == CRASHED
    assert run(SQUARE) == PASSED


@linux
def test_below_python_the_kernel_holds(without, tmp_path):
    """With the audit hook out of the way: seccomp, Landlock, limits."""
    tmp_path.chmod(0o777)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        prepared, verdicts = without(
            "sys.addaudithook = lambda hook: None",
            "import os\n\ndef f(x):\n    os.fork()\n    return x * x",
            FORK_EXEC,
            connecting(server.getsockname()[1]),
            f"open({str(tmp_path / 'new')!r}, 'w')",
            "open('/etc/passwd')",
            "import os\nos.kill(os.getppid(), 9)",
            "import os\nos.kill(-1, 9)",
            SQUARE,
        )
        with pytest.raises(TimeoutError):
            server.accept()
    assert all(prepared.held.values()), prepared.told()
    assert verdicts == [
        *(FORBIDDEN, FORBIDDEN, FORBIDDEN, "PermissionError", "PermissionError"),
        *(FORBIDDEN, FORBIDDEN, PASSED),
    ]  # fmt: skip
    assert not (tmp_path / "new").exists()


@linux
def test_without_seccomp_namespaces_and_limits_hold(without):
    """On a machine whose system calls we have no numbers of."""
    bare = "sys.addaudithook = lambda hook: None\nplatform.machine = lambda: 'sparc'"
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        prepared, verdicts = without(
            bare,
            "import os\n\ndef f(x):\n    os.fork()\n    return x * x",
            connecting(server.getsockname()[1]),
            "import os\nos.kill(1, 9)\n" + SQUARE,
            SQUARE,
        )
        with pytest.raises(TimeoutError):
            server.accept()
    assert prepared.held["network"] == ["namespaces"]
    # The first process of a namespace cannot be killed from within.
    assert verdicts[0] == PROCESSES
    assert verdicts[1] in ("OSError", "PermissionError")
    assert verdicts[2] in (PASSED, "PermissionError")
    assert verdicts[3] == PASSED


def test_where_the_kernel_holds_little_python_does_and_it_is_said(without, tmp_path):
    """As on macOS: limits, and the audit hook."""
    prepared, verdicts = without(
        "sys.platform = 'darwin'",
        "while True:\n    pass",
        "import os\n\ndef f(x):\n    for _ in range(200):\n        os.fork()",
        f"open({str(tmp_path / 'new')!r}, 'w')",
        connecting(9),
        SQUARE,
    )
    if os.getuid() == 0 and verdicts[3] == "ModuleNotFoundError":
        verdicts[3] = NETWORK  # root's own Python, which nobody else can read
    assert verdicts == [OUT_OF_TIME, PROCESSES, WROTE, NETWORK, PASSED]
    assert prepared.told() == (
        "held by the system: time, processes; "
        "NOT by this system, by Python's own hook alone: memory, files, network"
    )


def test_nothing_is_left_when_it_is_over_or_when_we_are_killed(tmp_path):
    with Sandbox(LIMITS) as prepared:
        group, folder = prepared._process.pid, Path(prepared._scratch.name)
        assert folder.is_dir()
    assert not folder.exists()
    assert gone(group)
    ours = "import sys\nfrom stages.evaluate.sandbox import Limits, Sandbox\n"
    ours += "with Sandbox(Limits(9.0, 256)) as prepared:\n"
    ours += "    print(prepared._process.pid, flush=True)\n"
    ours += "    prepared.run('while True: pass', [{'call': 'f', 'args': [], 'returns': 1}])\n"
    with subprocess.Popen(
        [sys.executable, "-c", ours],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    ) as killed:
        group = int(killed.stdout.readline())
        time.sleep(0.2)
        os.killpg(group, 0)
        killed.send_signal(signal.SIGKILL)
    assert gone(group)


def test_a_prepared_interpreter_that_dies_is_replaced(sandbox):
    os.killpg(sandbox._process.pid, signal.SIGKILL)
    assert sandbox.run(SQUARE, CASES) == SILENT
    assert sandbox.run(SQUARE, CASES) == PASSED


def test_the_same_code_gives_the_same_result_every_time():
    code = "import random\n\ndef f(x):\n    order = ''.join({str(n) + 'k' for n in range(50)})\n"
    code += "    return order + str(random.random())"
    told = set()
    for _ in range(2):
        with Sandbox(LIMITS) as prepared:
            calls = [{"call": "f", "args": [1]}]
            told |= {str(prepared._ask({"code": code, "calls": calls})) for _ in range(2)}
    assert len(told) == 1
    assert "0k" in told.pop()


def test_a_result_is_taken_as_it_is_when_it_is_returned(run):
    code = "def f(x, kept=[]):\n    kept.append(x)\n    return kept"
    cases = [{"call": "f", "args": [n], "returns": list(range(1, n + 1))} for n in (1, 2)]
    assert run(code, cases) == PASSED


def test_many_rows_are_cheap(sandbox):
    before = os.times()
    for _ in range(20):
        assert sandbox.run(SQUARE, CASES) == PASSED
    sandbox._stop()  # what a child used is counted when it is over
    after = os.times()
    sandbox._start()
    assert (sum(after[:4]) - sum(before[:4])) / 20 < 0.1


def test_no_cases_are_no_pass(run):
    with pytest.raises(ValueError, match="without cases"):
        run(SQUARE, [])


@pytest.mark.parametrize(
    "answer",
    [
        {}, {"results": None}, {"results": [None]}, {"results": []}, {"results": [{"returns": 4}]},
        {"verdict": PASSED}, {"verdict": "\x1b[31m"}, {"results": [{}, {}]}, {"verdict": []},
        {"results": [{"error": None}]}, {"results": [{"error": [[]]}]},
    ],
)  # fmt: skip
def test_what_the_runner_would_not_say_is_no_result(answer):
    assert judge(answer, CASES) == SILENT
