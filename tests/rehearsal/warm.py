"""An interpreter that has imported what the stages import, and forks one process for each of them.

    python warm.py serve SOCKET          import, then listen
    python warm.py run SOCKET -m M ...   do what `python -m M ...` does, in a fork of the one above

A rehearsal starts some thirty stages, and each spends most of its time on importing torch and
transformers. Arguments, folder, environment, streams and exit status are the stage's own; what is
read from the environment while importing (HF_HOME, HF_HUB_OFFLINE) is that of the one that listens.
"""

import json
import os
import runpy
import signal
import socket
import sys
import traceback

HEAVY = ("bert_score", "bitsandbytes", "codebleu", "datasets", "peft", "transformers.trainer")


def main() -> None:
    """Do what the first argument says."""
    {"serve": serve, "run": run}[sys.argv[1]](sys.argv[2], sys.argv[3:])


def serve(path: str, _: list[str]) -> None:
    """Import, then fork for one caller after the other, until terminated."""
    for name in HEAVY:
        __import__(name)
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM  # noqa: F401
    from trl import SFTTrainer  # noqa: F401

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        while True:
            caller, _ = listening.accept()
            child = os.fork()
            if not child:
                listening.close()
                os._exit(be(caller))
            _, status = os.waitpid(child, 0)
            caller.sendall(str(os.waitstatus_to_exitcode(status)).encode())
            caller.close()


def be(caller: socket.socket) -> int:
    """Become what the caller asks for, and return its exit status."""
    size, streams, _, _ = socket.recv_fds(caller, 16, 3)
    length, told = int(size), b""
    while len(told) < length:
        told += caller.recv(1 << 16)
    words, folder, environment = json.loads(told)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.path[0] = folder
    sys.argv = words[1:]
    assert words[0] == "-m", words
    try:
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return status


def run(path: str, words: list[str]) -> None:
    """Have the one that listens do it; exit as it did."""
    told = json.dumps([words, os.getcwd(), dict(os.environ)]).encode()
    with socket.socket(socket.AF_UNIX) as asked:
        asked.connect(path)
        socket.send_fds(asked, [str(len(told)).encode().ljust(16)], [0, 1, 2])
        asked.sendall(told)
        sys.exit(int(asked.recv(16) or 1))


if __name__ == "__main__":
    main()
