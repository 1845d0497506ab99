"""What `runner.py` gives up before it runs a model's code: what a system's kernel can hold.

    namespaces    no network but an empty one, no process of anyone else's; all end with the first
    Landlock      files: to read Python's own library, to read and write the scratch folder
    another user  nobody, where we are root
    limits        time, memory, sizes of files, no processes (setrlimit)
    seccomp       no processes, no network, no signals to others: who calls for them is killed

Each function says whether it holds; macOS has limits alone. Above them all, on every system, stands
Python's own audit hook (watch.py). Standard library alone; Linux's calls go through ctypes.
Sources: https://docs.kernel.org/userspace-api/landlock.html,
https://docs.kernel.org/userspace-api/seccomp_filter.html, man 7 namespaces
"""

import ctypes
import math
import os
import platform
import resource
import signal
import struct
import sys
from contextlib import suppress

NOBODY = 65534  # the user that owns nothing (Linux); macOS refuses it and stays who it is
LARGEST_FILE = 1 << 20
MOST_OPEN = 32  # files at a time
LINUX = sys.platform == "linux"
STDLIB = os.path.dirname(os.path.realpath(os.__file__))
READABLE = (STDLIB, "/usr/share/zoneinfo", "/dev/null", "/dev/urandom")
LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64")  # of the standard library's modules

# man 2: what starts a process, reaches another one, the network or the kernel. (x86_64, aarch64)
CALLS = {
    "clone": (56, 220), "fork": (57, None), "vfork": (58, None), "execve": (59, 221),
    "execveat": (322, 281), "socket": (41, 198), "connect": (42, 203), "bind": (49, 200),
    "listen": (50, 201), "accept": (43, 202), "accept4": (288, 242), "kill": (62, 129),
    "tkill": (200, 130), "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240), "pidfd_open": (434, 434), "pidfd_send_signal": (424, 424),
    "pidfd_getfd": (438, 438), "ptrace": (101, 117), "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271), "unshare": (272, 97), "setns": (308, 268),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "open_tree": (428, 428), "fsopen": (430, 430), "move_mount": (429, 429),
    "mount_setattr": (442, 442), "bpf": (321, 280), "perf_event_open": (298, 241),
    "io_uring_setup": (425, 425), "userfaultfd": (323, 282), "add_key": (248, 217),
    "request_key": (249, 218), "keyctl": (250, 219), "shmget": (29, 194), "semget": (64, 190),
    "msgget": (68, 186), "mq_open": (240, 180), "mknod": (133, None), "mknodat": (259, 33),
    "open_by_handle_at": (304, 265),
}  # fmt: skip
TGKILL = (234, 131)  # abort() sends itself a signal so
CLONE3 = 435  # its flags lie in memory, where a filter cannot look: "no such call", then clone
MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column above, AUDIT_ARCH


LIBC = ctypes.CDLL(None) if LINUX else None


def namespaces() -> bool:
    """Move into a network, a process and an IPC namespace of one's own; the first process in it.

    The caller goes on as the first process there, whose end ends all others; what was the caller
    waits for that. Without root it takes a user namespace, in which nothing more is allowed.
    """
    if LIBC is None:
        return False
    network, processes, ipc, user = 0x40000000, 0x20000000, 0x08000000, 0x10000000
    uid, gid = os.getuid(), os.getgid()
    if LIBC.unshare(network | processes | ipc | (user if uid else 0)):
        return False
    if uid:
        for name, text in {
            "uid_map": f"{uid} {uid} 1",
            "setgroups": "deny",
            "gid_map": f"{gid} {gid} 1",
        }.items():
            with suppress(OSError), open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    if first := os.fork():
        os.waitpid(first, 0)
        os._exit(0)
    die_with_parent()
    return True


def die_with_parent() -> None:
    """Ask the system to kill this process when its parent ends (Linux)."""
    if LIBC is not None:
        LIBC.prctl(1, 9, 0, 0, 0)


def become_nobody(folder: str, reads: bool) -> bool:
    """Leave root, whom few limits bind, and with it every capability; take the folder along.

    reads: keep the one to read what Landlock lets it read; root's Python may lie where root alone
        can look
    """
    kept, low = 0, True
    if os.getuid() == 0:
        try:
            os.chown(folder, NOBODY, NOBODY)
            if LIBC is not None and reads:
                kept = 1 << 2  # CAP_DAC_READ_SEARCH
                LIBC.prctl(8, 1, 0, 0, 0)  # PR_SET_KEEPCAPS
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        except OSError:  # a container that knows no such user
            with suppress(OSError):
                os.chown(folder, 0, 0)
            low = False
    if LIBC is not None:
        # A user namespace gives all capabilities within it; man 2 capset, version 3.
        LIBC.capset(struct.pack("Ii", 0x20080522, 0), struct.pack("6I", kept, kept, 0, 0, 0, 0))
        die_with_parent()  # forgotten when the user changes
    return low


def landlock(folder: str) -> bool:
    """Let this process and all that it starts read READABLE, and write in `folder`."""
    if LIBC is None:
        return False
    call, create, add, restrict = LIBC.syscall, 444, 445, 446
    version = call(create, None, 0, 1)
    if version < 1:
        return False
    every = {1: 0x1FFF, 2: 0x3FFF, 3: 0x7FFF, 4: 0x7FFF}.get(version, 0xFFFF)
    # Files, then TCP (version 4), then abstract sockets and signals to the outside (version 6).
    rules = struct.pack("QQQ", every, 3, 3)[: 24 if version >= 6 else 16 if version >= 4 else 8]
    ruleset = call(create, rules, len(rules), 0)
    if ruleset < 0:
        return False
    of_files, read, write, listing, truncate = 0x4006 & every, 4, 2, 8, 0x4000 & every
    allowed = dict.fromkeys(READABLE + LIBRARIES, read | listing) | {folder: every & ~1}
    allowed["/dev/null"] = read | write | truncate
    for path, rights in allowed.items():
        with suppress(OSError):
            at = os.open(path, os.O_PATH)
            kept = rights if os.path.isdir(path) else rights & of_files
            call(add, ruleset, 1, struct.pack("=Qi", kept, at), 0)
            os.close(at)
    LIBC.prctl(38, 1, 0, 0, 0)  # no new privileges: without root, the condition
    held = call(restrict, ruleset, 0) == 0
    os.close(ruleset)
    return held


def limits(timeout_s: float, memory_bytes: int) -> None:
    """Set what the system itself counts, for good."""

    def limit(what: int, value: int) -> None:
        with suppress(ValueError, OSError):  # macOS refuses some; the others still hold
            resource.setrlimit(what, (value, value))

    limit(resource.RLIMIT_CORE, 0)
    signal.setitimer(signal.ITIMER_PROF, timeout_s)  # SIGPROF; and SIGKILL for who ignores it,
    limit(resource.RLIMIT_CPU, math.floor(timeout_s) + 1)  # in whole seconds
    limit(resource.RLIMIT_AS, memory_bytes)
    limit(resource.RLIMIT_FSIZE, LARGEST_FILE)
    limit(resource.RLIMIT_NPROC, 0)  # neither processes nor threads; root is not bound by it
    limit(resource.RLIMIT_NOFILE, MOST_OPEN)


def seccomp() -> bool:
    """Put a filter over this process, for good: who makes one of CALLS dies of SIGSYS."""
    if LIBC is None or platform.machine() not in MACHINES:
        return False
    column, architecture = MACHINES[platform.machine()]
    numbers = [of_both[column] for of_both in CALLS.values() if of_both[column] is not None]
    load, equal, at_least, give = 0x20, 0x15, 0x35, 0x06
    kill, allow, no_such_call = 0x80000000, 0x7FFF0000, 0x00050000 | 38
    # Of struct seccomp_data: the call's number at 0, the architecture at 4, an argument at 16.
    steps = [(load, 0, 0, 4), (equal, 1, 0, architecture), (give, 0, 0, kill), (load, 0, 0, 0)]
    steps += [(equal, 0, 1, CLONE3), (give, 0, 0, no_such_call)]
    steps += [(at_least, 0, 1, 0x40000000), (give, 0, 0, kill)]  # x86_64's second set of numbers
    steps += [(equal, 0, 4, TGKILL[column]), (load, 0, 0, 16), (equal, 1, 0, os.getpid())]
    steps += [(give, 0, 0, kill), (give, 0, 0, allow)]
    steps += [(equal, len(numbers) - at, 0, number) for at, number in enumerate(numbers)]
    steps += [(give, 0, 0, allow), (give, 0, 0, kill)]
    # struct sock_filter: code, skip if true, if false, k; struct sock_fprog: how many, where
    code = b"".join(struct.pack("HBBI", *step) for step in steps)
    program = ctypes.create_string_buffer(code, len(code))
    LIBC.prctl(38, 1, 0, 0, 0)
    header = struct.pack("HxxxxxxQ", len(steps), ctypes.addressof(program))
    return LIBC.prctl(22, 2, header, 0, 0) == 0


def seccomp_holds() -> bool:
    """Try it out: whether a process under the filter dies of asking for a socket."""
    if LIBC is None:
        return False
    if not (child := os.fork()):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if seccomp():
            LIBC.socket(2, 1, 0)
        os._exit(0)
    return os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGSYS


def enter(folder: str) -> dict[str, list[str]]:
    """Give up what can be given up once; return, for each danger, what of the kernel holds it."""
    die_with_parent()
    apart = namespaces()
    files = landlock(folder)
    low = become_nobody(folder, reads=files)
    filtered = seccomp_holds()
    return {
        "time": ["limits"],
        "memory": ["limits"] if LINUX else [],
        "processes": ["limits"] * low + ["seccomp"] * filtered + ["namespaces"] * apart,
        "files": ["Landlock"] * files,
        "network": ["seccomp"] * filtered + ["namespaces"] * apart,
    }
