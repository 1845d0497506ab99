"""Training in several processes: what is started, what is refused, and that two really train."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stages.core import stack
from stages.core.digest import file_digest
from stages.core.errors import ConfigError, LineageError
from stages.core.jsonl import read_json
from stages.train import agent, follow, launch, workers

ROOT = Path(__file__).resolve().parents[2]
CPU = {"device": "cpu", "threads": 1}
STACK = (("m2c", "2c", "2b"), ("m2d", "2d", "2c"))
ALONE = {"launcher": "python", "processes": 1, "nodes": 1, "fsdp": False}
TWO = {"launcher": "torchrun", "processes": 2, "nodes": 1, "fsdp": False}
MACHINES = {"launcher": "torchrun", "processes": 4, "nodes": 2, "fsdp": False}
MEETING = {"MASTER_ADDR": "first", "MASTER_PORT": "29500", "NODE_RANK": "1"}


def worker(monkeypatch: pytest.MonkeyPatch, rank: int = 0, of: int = 2) -> None:
    """Put this process where torchrun's agent puts a worker."""
    monkeypatch.setenv(launch.WORKER, "train")
    for name, value in (("RANK", rank), ("LOCAL_RANK", rank), ("WORLD_SIZE", of)):
        monkeypatch.setenv(name, str(value))


def trainer(processes: int, sharded: bool = False, bits: int = 32) -> Any:
    """Return what is looked at of a trainer."""
    accelerator = SimpleNamespace(num_processes=processes)
    device = SimpleNamespace(type="cpu")
    return SimpleNamespace(
        accelerator=accelerator, is_fsdp_enabled=sharded, args=SimpleNamespace(device=device),
        model=SimpleNamespace(is_loaded_in_8bit=bits == 8),
    )  # fmt: skip


def not_to_be_done() -> None:
    raise AssertionError("trained in the wrong number of processes")


@pytest.mark.parametrize(("said", "count"), [(ALONE, 1), (TWO, 2), (MACHINES, 8)])
def test_the_world_is_processes_times_nodes(said, count):
    assert launch.world(said) == count


def test_one_machine_meets_by_itself_and_hears_its_first_worker_only(tmp_path):
    config = agent.configure(TWO, {}, tmp_path)
    assert (config.min_nodes, config.max_nodes, config.nproc_per_node) == (1, 1, 2)
    assert (config.rdzv_backend, config.rdzv_endpoint) == ("c10d", "localhost:0")
    assert config.max_restarts == 0
    assert list(config.logs_specs._redirects) == [1]


@pytest.mark.parametrize(("rank", "quiet"), [("0", [1, 2, 3]), ("1", [0, 1, 2, 3])])
def test_several_machines_meet_at_the_first(tmp_path, rank, quiet):
    config = agent.configure(MACHINES, {**MEETING, "NODE_RANK": rank}, tmp_path)
    assert (config.min_nodes, config.max_nodes, config.nproc_per_node) == (2, 2, 4)
    assert (config.rdzv_backend, config.rdzv_endpoint) == ("static", "first:29500")
    assert config.rdzv_configs["rank"] == int(rank)
    assert list(config.logs_specs._redirects) == quiet


def test_the_rank_of_a_machine_is_read_where_schedulers_put_it():
    places = {key: value for key, value in MEETING.items() if key != "NODE_RANK"}
    told = [{"SLURM_NODEID": "0"}, {"GROUP_RANK": "1"}, {"NODE_RANK": "1", "SLURM_NODEID": "0"}]
    assert [follow.rendezvous(2, places | each)[1] for each in told] == [0, 1, 1]


@pytest.mark.parametrize(
    ("environ", "names"),
    [
        ({}, ["MASTER_ADDR", "MASTER_PORT", "NODE_RANK or GROUP_RANK or SLURM_NODEID"]),
        ({**MEETING, "MASTER_ADDR": ""}, ["MASTER_ADDR"]),
        ({**MEETING, "MASTER_PORT": "http"}, ["MASTER_PORT"]),
        ({**MEETING, "MASTER_PORT": "70000"}, ["MASTER_PORT"]),
        ({**MEETING, "NODE_RANK": "2"}, ["NODE_RANK"]),
        ({**MEETING, "NODE_RANK": "-1"}, ["NODE_RANK"]),
    ],
)
def test_machines_that_do_not_know_where_to_meet_are_told_all_that_is_missing(environ, names):
    with pytest.raises(ConfigError) as told:
        follow.rendezvous(2, environ)
    assert [fault.where for fault in told.value.faults] == [f"environment: {n}" for n in names]


def test_several_machines_without_a_rendezvous_are_refused_before_anything_starts(
    tmp_path, monkeypatch
):
    for name in ("MASTER_ADDR", "MASTER_PORT", *follow.NODE_RANKS):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match="MASTER_ADDR: is not set"):
        workers.run(not_to_be_done, {"launch": MACHINES, "compute": CPU})


def test_a_stage_that_another_launcher_has_multiplied_is_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match=r"(?s)2 of the processes.*expected: 1.*launcher: python"):
        workers.run(not_to_be_done, {"launch": ALONE, "compute": CPU})


@pytest.mark.parametrize(("said", "of"), [(TWO, 1), (TWO, 3), (MACHINES, 4), (ALONE, 2)])
def test_a_worker_among_too_few_or_too_many_is_refused(monkeypatch, said, of):
    worker(monkeypatch, of=of)
    expected = launch.world(said)
    with pytest.raises(ConfigError, match=rf"(?s){of} of the processes.*expected: {expected}, "):
        workers.run(not_to_be_done, {"launch": said, "compute": CPU})


def test_a_trainer_that_has_fallen_back_to_one_process_is_noticed():
    launch.hold_trainer(TWO, trainer(2))
    launch.hold_trainer(ALONE, trainer(1))
    with pytest.raises(ConfigError, match=r"(?s)the trainer: 1 of the processes.*expected: 2"):
        launch.hold_trainer(TWO, trainer(1))


def test_a_trainer_that_does_not_shard_is_noticed():
    launch.hold_trainer(TWO | {"fsdp": True}, trainer(2, sharded=True))
    with pytest.raises(ConfigError, match="accelerate has no FSDP on cpu"):
        launch.hold_trainer(TWO | {"fsdp": True}, trainer(2))


def test_weights_of_8_bits_are_not_shared_out():
    launch.hold_trainer(TWO, trainer(2, bits=8))
    with pytest.raises(ConfigError, match=r"(?s)cannot share out weights of 8 bits.*4bit, or none"):
        launch.hold_trainer(TWO | {"fsdp": True}, trainer(2, sharded=True, bits=8))


def test_only_rank_0_is_first(monkeypatch):
    monkeypatch.setenv("RANK", "1")  # of another scheduler
    assert launch.is_first()
    worker(monkeypatch, rank=1)
    assert not launch.is_first()
    worker(monkeypatch, rank=0)
    assert launch.is_first()


def test_each_worker_loads_onto_a_gpu_of_its_own(tiny, monkeypatch):
    base, gpu = Path("models/base"), {"device": "cuda", "threads": 1}
    assert launch.own_compute(base, ALONE, gpu) == gpu
    worker(monkeypatch, rank=1)
    assert launch.own_compute(base, TWO, CPU) == CPU
    assert launch.own_compute(base, TWO, gpu) == {"device": "cuda:1", "threads": 1}
    # What does not fit on one of them is shared out from the CPU's memory.
    assert launch.own_compute(base, TWO | {"fsdp": True}, gpu) == CPU


def test_what_several_workers_cannot_mend_is_told_once(tmp_path):
    fault = {"where": "params.yaml: x", "what": "is wrong", "expected": "right", "then": ""}
    for rank in (0, 1):
        told = {"at": rank, "rank": rank, "kind": "LineageError", "faults": [fault]}
        (tmp_path / f"{rank}.json").write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(LineageError) as raised:
        agent.tell({}, tmp_path)
    assert str(raised.value) == "error: params.yaml: x: is wrong\n  expected: right"


def test_of_several_defects_the_first_is_told_with_its_traceback(tmp_path):
    for rank, at in ((0, 20), (1, 10)):
        told = {"at": at, "rank": rank, "traceback": f"Traceback of {rank}\n"}
        (tmp_path / f"{rank}.json").write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(SystemExit) as raised:
        agent.tell({}, tmp_path)
    assert raised.value.code == "worker 1 failed:\nTraceback of 1"


def test_a_worker_that_was_killed_is_told(tmp_path):
    failed = {
        rank: SimpleNamespace(exitcode=code, local_rank=rank)
        for rank, code in ((0, -signal.SIGTERM), (1, -signal.SIGKILL))
    }
    with pytest.raises(SystemExit) as raised:
        agent.tell(failed, tmp_path)
    assert raised.value.code.startswith("error: worker 1: was ended by SIGKILL\n  to do: if it was")


def digests(folder: Path) -> dict[str, str]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): file_digest(file) for file in files}


def together(tiny, said: dict[str, Any], **sft: Any) -> None:
    tiny.params["launch"] = said
    tiny.params["adapters"]["m2c"]["sft"] = tiny.params["adapters"]["m2c"]["sft"] | sft
    tiny.write_params()


def command(key: str, name: str, on: str, model: str = "models") -> list[str]:
    return [
        *(sys.executable, "-m", "stages.train", "--adapter", key, "--base", "models/base"),
        *("--on", f"models/{on}", "--mix", f"data/mix/{name}", "--model", f"{model}/{name}"),
        *("--curve", f"metrics/curves/{name}.csv", "--costs", f"metrics/costs/train.{name}.json"),
    ]


def start(folder: Path, words: list[str], **environ: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environ}
    return subprocess.Popen(
        words, cwd=folder, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def finish(stage: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = stage.communicate(timeout=240)
    return stage.returncode, out, err


@pytest.mark.slow
def test_two_processes_train_what_one_does_with_twice_the_batch(tiny):
    from safetensors.torch import load_file

    weights, curve = "adapters/2c/adapter_model.safetensors", Path("metrics/curves/2c.csv")
    costs = Path("metrics/costs/train.2c.json")
    alone, losses = load_file(f"models/2c/{weights}"), curve.read_text(encoding="utf-8")
    files, tokens = digests(Path("models/2c")), read_json(costs)["tokens"]
    together(tiny, TWO, per_device_train_batch_size=2)
    told = finish(start(tiny.folder, command("m2c", "2c", "2b")))
    assert told == (0, "train: 2c: 20 rows, 4 steps\n", "")
    # Losses, their epochs and the tokens are those of both: rank 1 has trained its half.
    assert curve.read_text(encoding="utf-8") == losses
    assert read_json(costs)["tokens"] == tokens
    both = load_file(f"models/2c/{weights}")
    assert both.keys() == alone.keys()
    assert max((alone[key] - both[key]).abs().max().item() for key in alone) < 1e-5
    again = digests(Path("models/2c"))
    assert again.keys() == files.keys()
    parent = "adapters/2b/adapter_model.safetensors"
    assert again[parent] == files[parent]
    assert finish(start(tiny.folder, command("m2c", "2c", "2b"))) == told
    assert digests(Path("models/2c")) == again
    assert stack.load(Path("models/base"), Path("models/2c"), CPU).get_nb_trainable_parameters()


@pytest.mark.slow
def test_what_a_worker_cannot_do_is_said_once_and_leaves_nothing(tiny):
    tiny.params["adapters"]["m2c"]["lora"] = {"r": 4, "target_modules": ["nowhere"]}
    together(tiny, TWO)
    code, out, err = finish(start(tiny.folder, command("m2c", "2c", "2b", "models/never")))
    assert (code, out) == (1, "")
    assert err.startswith("error: params.yaml: adapters")
    assert err.count("nowhere") == err.count("error: ") == 1
    assert "Traceback" not in err
    assert not Path("models/never").exists()


# accelerate has FSDP on GPUs only; torch has it on CPUs too. This opens accelerate's gate, counts
# what is shared out when training is done, and runs the stage.
SHARDED = """
import accelerate.state
from accelerate.utils import DistributedType

made = accelerate.state.AcceleratorState.__init__


def make(self, *args, fsdp_plugin=None, **others):
    made(self, *args, fsdp_plugin=fsdp_plugin, **others)
    if fsdp_plugin is not None:
        self.distributed_type, self.fsdp_plugin = DistributedType.FSDP, fsdp_plugin
        accelerate.state.PartialState._shared_state["distributed_type"] = DistributedType.FSDP


accelerate.state.AcceleratorState.__init__ = make

from stages.core import entry
from stages.train import __main__ as stage

gathered = stage.gather


def gather(model):
    from torch.distributed.fsdp import FSDPModule

    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()
    shards = [each for each in model.parameters() if hasattr(each, "full_tensor")]
    here = sum(each.to_local().numel() for each in shards)
    numel = sum(each.numel() for each in model.parameters())
    if stage.is_first():
        print(len(list(model.parameters())) - len(shards), round(here / numel, 2), flush=True)
    gathered(model)


stage.gather = gather
entry.run(stage.main)
"""


@pytest.mark.slow
@pytest.mark.parametrize("quantize", ["none", "4bit"])
def test_a_base_that_fsdp_shares_out_trains_what_one_process_does(tiny, quantize):
    from safetensors.torch import load_file

    if quantize != "none":
        tiny.params["base"]["quantize"] = quantize
        tiny.write_params()
        tiny.base()
        tiny.train("m2b")
        tiny.train("m2c")
    weights = "models/2c/adapters/2c/adapter_model.safetensors"
    alone, files = load_file(weights), digests(Path("models/2c")).keys()
    together(tiny, TWO | {"fsdp": True}, per_device_train_batch_size=2)
    Path("sharded.py").write_text(SHARDED, encoding="utf-8")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node"]
    words = [*torchrun, "2", "sharded.py", *command("m2c", "2c", "2b")[3:]]
    code, out, err = finish(start(tiny.folder, words, OMP_NUM_THREADS="1"))
    assert code == 0, err
    # No tensor is whole, and half of all numbers is here.
    assert out.splitlines()[-2:] == ["0 0.5", "train: 2c: 20 rows, 4 steps"]
    both = load_file(weights)
    assert both.keys() == alone.keys()
    assert max((alone[key] - both[key]).abs().max().item() for key in alone) < 1e-5
    assert digests(Path("models/2c")).keys() == files


def children(pid: int) -> list[int]:
    import psutil

    return [child.pid for child in psutil.Process(pid).children(recursive=True)]


def gone(pids: list[int], within_s: float) -> bool:
    import psutil

    end = time.monotonic() + within_s
    while any(map(psutil.pid_exists, pids)) and time.monotonic() < end:
        time.sleep(0.1)
    return not any(map(psutil.pid_exists, pids))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_workers_end_with_the_stage_whatever_ended_it(tiny, signum, code):
    together(tiny, TWO, max_steps=100_000, eval_steps=100_000)
    stage = start(tiny.folder, command("m2c", "2c", "2b", "models/never"))
    try:
        end = time.monotonic() + 120
        while len(found := children(stage.pid)) < 2 and time.monotonic() < end:
            time.sleep(0.2)
        time.sleep(8)  # into the training
        found = children(stage.pid)
        assert len(found) == 2
        stage.send_signal(signum)
        _, err = stage.communicate(timeout=30)
    finally:
        stage.kill()
    assert (stage.returncode, err) == (code, "")
    assert gone(found, within_s=20)
    assert not Path("models/never/2c").exists()


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@pytest.mark.slow
def test_two_machines_train_what_two_processes_do(tiny):
    together(tiny, TWO, per_device_train_batch_size=2)
    for key, name, on in STACK:
        assert finish(start(tiny.folder, command(key, name, on)))[0] == 0
    expected = {name: digests(Path("models", name)) for _, name, _ in STACK}
    together(tiny, TWO | {"processes": 1, "nodes": 2})
    for name in expected:
        shutil.rmtree(Path("models", name))
    elsewhere = tiny.folder.parent / "elsewhere"  # no file system in common
    shutil.copytree(tiny.folder, elsewhere)
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    first, second = meeting | {"NODE_RANK": "0"}, meeting | {"NODE_RANK": "1"}

    key, name, on = STACK[0]
    other = start(elsewhere, command(key, name, on), **second)
    told = finish(start(tiny.folder, command(key, name, on), **first)), finish(other)
    assert told == ((0, "train: 2c: 20 rows, 4 steps\n", ""), (0, "", ""))
    assert digests(tiny.folder / "models/2c") == expected["2c"]
    assert not (elsewhere / "models/2c").exists()

    follower = start(tiny.folder, [sys.executable, "-m", "stages.train.follow"], **second)
    for key, name, on in STACK:
        told = finish(start(tiny.folder, command(key, name, on), **first))
        assert told == (0, f"train: {name}: 20 rows, 4 steps\n", "")
        assert digests(tiny.folder / "models" / name) == expected[name]
    time.sleep(5)  # it waits for the next one
    assert follower.poll() is None
    follower.send_signal(signal.SIGTERM)
    assert finish(follower) == (143, "", "")


def test_a_first_machine_that_nobody_knows_is_told():
    with pytest.raises(ConfigError, match="MASTER_ADDR: 'no such host'"):
        follow.reach("no such host:29500")


def test_the_first_machine_follows_nobody(tiny, monkeypatch):
    with pytest.raises(ConfigError, match=r"launch\.nodes: is 1"):
        tiny.run("stages.train.follow")
    together(tiny, MACHINES)
    for name, value in (MEETING | {"NODE_RANK": "0"}).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=r"(?s)is 0: this is the first machine.*expected: 1 to 1"):
        tiny.run("stages.train.follow")
