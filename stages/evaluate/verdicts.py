"""How the code of one answer ended: a closed list, and the names of Python's own exceptions."""

PASSED = "passed"
WRONG = "wrong result"
NO_FUNCTION = "no such function"
OUT_OF_TIME = "out of time"
OUT_OF_MEMORY = "out of memory"
PROCESSES = "too many processes"  # one is too many; a thread, too
WROTE = "wrote outside its folder"  # or removed, renamed, made something there
READ = "read outside its folder"  # or listed, or went there
WROTE_MUCH = "wrote too much"
SAID_MUCH = "returned too much"
NETWORK = "network"
FORBIDDEN = "forbidden call"  # a signal to another process, foreign code, a call below Python
CRASHED = "crashed"  # a signal that the code brought on itself: SIGSEGV, SIGABRT, ...
KILLED = "killed"  # from outside, or by itself
SILENT = "no result"  # it left early, or what came back was not what runner.py says

CLOSED = {
    PASSED, WRONG, NO_FUNCTION, OUT_OF_TIME, OUT_OF_MEMORY, PROCESSES, WROTE, READ, WROTE_MUCH,
    SAID_MUCH, NETWORK, FORBIDDEN, CRASHED, KILLED, SILENT,
}  # fmt: skip
