"""What a transformers.Trainer must write down so that a killed run goes on as if it had not been.

The Trainer's own checkpoints lack the running loss between two logs, what TRL averages, the random
state at the start of the epoch (some samplers draw from it), and, for a stack of adapters, how to
load the one that trains; and they hold a tokenizer, a model card and frozen weights. All of them
are loaded by `weights_only`: a checkpoint runs no code.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core import checkpoints
from stages.core.errors import ConfigError, Fault, UserError

if TYPE_CHECKING:
    from torch import Tensor, nn

WEIGHTS = "trained.safetensors"
BEST = "best.safetensors"
EPOCH = "epoch"  # the folder with the random state at the start of the epoch


def trained(model: "nn.Module") -> dict[str, "Tensor"]:
    """Return what is trained: for a stack, the new adapter and nothing of what it stands on."""
    return {
        name: parameter.detach()
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }


class Resumable:
    """A mixin, before a transformers.Trainer, whose checkpoints are whole, small and exact.

    output_dir holds the checkpoints. None is written when training ends: whoever asked for it
    writes the model. The weights of the best evaluation are kept in memory, and in each checkpoint,
    when `keeps_best` is set.
    """

    # Attributes that change while it trains; those that a trainer lacks are passed over.
    RUNNING = ("_total_loss_scalar", "_globalstep_last_logged", "_metrics", "_total_train_tokens")
    keeps_best = False
    _best: "dict[str, Tensor] | None" = None
    _resumed: Path | None = None
    _saving: Path | None = None

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """Write no card: TRL's would be written with every checkpoint."""

    def restore_best(self) -> None:
        """Put the weights of the best evaluation back into the model, if they were kept."""
        if self._best is not None:
            _copy(self._best, self.model)

    def running_in(self, checkpoint: Path) -> Path:
        """Return the file of a checkpoint with what this process keeps in memory only."""
        return checkpoint / f"running_{self.args.process_index}.pt"

    def _get_output_dir(self, trial: Any) -> str:
        return str(self._saving) if self._saving else super()._get_output_dir(trial)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        # Of a model that several processes share out, none holds what the others would need.
        if self.control.should_training_stop or self.is_fsdp_enabled:
            return
        folder, step = Path(self.args.output_dir), self.state.global_step
        saving = folder / ".saving"
        if self.args.should_save:
            shutil.rmtree(saving, ignore_errors=True)
        self.accelerator.wait_for_everyone()
        self._saving = saving
        try:
            with _telling_disk(folder):
                super()._save_checkpoint(model, trial)
                written = saving / f"{checkpoints.PREFIX}{step}"
                self._save_running(written)
                self.accelerator.wait_for_everyone()
                if self.args.should_save:
                    checkpoints.seal(written, folder, step)
        finally:
            self._saving = None

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """Write the weights that train, in place of a model with tokenizer and arguments."""
        from safetensors.torch import save_file

        if self.args.should_save:
            folder = Path(output_dir)
            folder.mkdir(parents=True, exist_ok=True)
            weights = {name: each.contiguous() for name, each in trained(self.model).items()}
            save_file(weights, folder / WEIGHTS)
            if self._best is not None:
                save_file(self._best, folder / BEST)

    def _save_running(self, folder: Path) -> None:
        """Write what the Trainer keeps in memory only, of this process."""
        import torch
        from transformers.trainer_callback import ExportableState

        attributes = {name: getattr(self, name) for name in self.RUNNING if hasattr(self, name)}
        if "_metrics" in attributes:
            metrics = attributes["_metrics"]
            attributes["_metrics"] = {mode: dict(kept) for mode, kept in metrics.items()}
        running = {
            "attributes": attributes,
            "loss": self._tr_loss.item(),
            "callbacks": {
                type(each).__name__: each.state()["attributes"]
                for each in self.callback_handler.callbacks
                if isinstance(each, ExportableState)
            },
        }
        torch.save(running, self.running_in(folder))
        epoch = Path(self.args.output_dir) / ".epoch"
        (folder / EPOCH).mkdir(exist_ok=True)
        for file in epoch.glob(self._rng_name()):
            shutil.copyfile(file, folder / EPOCH / file.name)

    def _rng_name(self) -> str:
        """Return what the Trainer calls the file with this process's random state."""
        many = self.args.world_size > 1
        return f"rng_state_{self.args.process_index}.pth" if many else "rng_state.pth"

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        from safetensors.torch import load_file

        self._resumed = Path(resume_from_checkpoint)
        _copy(load_file(self._resumed / WEIGHTS), self.model)
        if (best := self._resumed / BEST).is_file():
            self._best = load_file(best)

    def _run_epoch(self, *args: Any, **told: Any) -> None:
        """Go on in the epoch of the checkpoint: it begins as it began, and skips what was done."""
        if self._resumed is not None:
            self._load_running(self._resumed)
            within = told["steps_trained_in_current_epoch"] > 0
            self._load_rng_state(str(self._resumed / EPOCH if within else self._resumed))
            _set_epoch(told["train_dataloader"], told["epoch"])
            self._resumed = None
        folder = Path(self.args.output_dir)
        with _telling_disk(folder):
            self._save_rng_state(str(folder / ".epoch"))
        super()._run_epoch(*args, **told)

    def _load_running(self, folder: Path) -> None:
        import torch

        file = self.running_in(folder)
        running = torch.load(file, map_location=self.args.device, weights_only=True)
        self._tr_loss.fill_(running["loss"])
        for name, value in running["attributes"].items():
            if name == "_metrics":
                for mode, metrics in value.items():
                    self._metrics[mode].update(metrics)
            else:
                setattr(self, name, value)
        for each in self.callback_handler.callbacks:
            vars(each).update(running["callbacks"].get(type(each).__name__, {}))

    def _determine_best_metric(self, metrics: dict[str, float], trial: Any) -> bool:
        try:
            better = super()._determine_best_metric(metrics, trial)
        except KeyError:
            raise ConfigError(
                Fault(
                    "params.yaml: sft.metric_for_best_model",
                    f"{self.args.metric_for_best_model!r} is not measured",
                    ", ".join(sorted(name for name in metrics if "_per_second" not in name)),
                )
            ) from None
        if better and self.keeps_best:
            self._best = {
                name: each.clone() if self.is_fsdp_enabled else each.to("cpu", copy=True)
                for name, each in trained(self.model).items()
            }
        return better


def _set_epoch(loader: Any, epoch: int) -> None:
    """Tell every sampler below a DataLoader which epoch it is.

    With several processes accelerate reaches none of them through the batches that it skips, and
    the rows of a resumed epoch would come in the order of the first one (accelerate 1.15).
    """
    each = loader.batch_sampler
    while each is not None:
        if hasattr(each, "set_epoch"):
            each.set_epoch(epoch)
        each = getattr(each, "batch_sampler", getattr(each, "sampler", None))


@contextmanager
def _telling_disk(folder: Path) -> Iterator[None]:
    """Turn what torch and safetensors raise of a full disk into what a user can read."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        what = f"checkpoints cannot be written there: {error}"
        then = "free some space, or set TUNEGRAPH_CHECKPOINTS; the same command then goes on"
        raise UserError(Fault(str(folder), what, "room on the disk", then)) from error


def _copy(weights: dict[str, "Tensor"], model: "nn.Module") -> None:
    """Copy weights into those of the model that train; both must have the same names."""
    import torch

    into = trained(model)
    assert weights.keys() == into.keys(), "another model wrote this"
    with torch.no_grad():
        for name, each in weights.items():
            into[name].copy_(each)
