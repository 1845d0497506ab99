"""The loss of an adapter, on the tokens that are targets and on nothing else.

Where TRL's SFTTrainer spends its time on a CPU, by a profile of the default recipe's 2b: 39 % in
its head, which there projects every position to the vocabulary, prompts and padding included, and
sums up entropies. Beside that, 28 % of the time is memory that is given back and faulted in again
(`stages.core.torch_setup` ends that), and three numbers are brought from the device at every step.
TRL names `compute_loss` as the method to override. `bench/training.py` measures all of it.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

IGNORED = -100
SUMS = "sums"  # what is kept between two logs: one tensor a step, brought over at once


class TargetLoss:
    """A mixin, before trl.SFTTrainer, with the same loss and the same columns in the log.

    It logs `loss`, `mean_token_accuracy` (of all tokens since the last log) and `num_tokens`
    (trained so far, padding apart). `eval_loss` is the mean over tokens, whatever the batches.
    What needs more than the loss of each target (label smoothing, DFT, experts) is left to TRL.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        from inspect import signature

        from trl.kernels.chunked_logprob import _use_triton

        base = self.accelerator.unwrap_model(self.model)
        base = base.get_base_model() if hasattr(base, "get_base_model") else base
        # On a GPU TRL's fused head projects targets only, and never keeps all their logits.
        self._fused = _use_triton(self.args.device)
        keeps = "logits_to_keep" in signature(base.forward).parameters
        self._own_loss = (
            (self._fused or keeps)
            and self.args.loss_type == "nll"
            and self.label_smoother is None
            and self.compute_loss_func is None
            and not self.aux_loss_enabled
        )
        self._weights = self.model.num_parameters(exclude_embeddings=True)

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: "Tensor | int | None" = None,
    ) -> Any:
        """Return the summed loss of the targets over the number of them in the whole step."""
        if not self._own_loss or return_outputs:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        import torch

        inputs = {**inputs, "use_cache": False}
        nll, correct, count = (self._scored if self._fused else self._projected)(model, inputs)
        divisor = count if num_items_in_batch is None else num_items_in_batch
        loss = nll / torch.as_tensor(divisor).clamp(min=1)
        # As TRL and transformers have it: num_items_in_batch counts the tokens of all processes,
        # and DDP takes the mean of their gradients.
        if self.args.average_tokens_across_devices and num_items_in_batch is not None:
            loss = loss * (self.accelerator.num_processes // self.get_tp_size())
        tokens = inputs["attention_mask"].sum() if "attention_mask" in inputs else None
        if tokens is None:
            tokens = torch.tensor(inputs["input_ids"].numel(), device=loss.device)
        mode = "train" if self.model.training else "eval"
        sums = [each.detach().float() for each in (nll, correct, count, tokens)]
        self._metrics[mode][SUMS].append(torch.stack(sums))
        return loss

    def _scored(self, model: Any, inputs: dict[str, Any]) -> tuple["Tensor", "Tensor", "Tensor"]:
        """Let TRL's fused head score the targets."""
        outputs = model(**inputs, fused_lm_head=True)
        return -outputs.log_probs.sum(), outputs.is_top1.sum(), outputs.label_mask.sum()

    def _projected(self, model: Any, inputs: dict[str, Any]) -> tuple["Tensor", "Tensor", "Tensor"]:
        """Project to the vocabulary where any row has a target: for a flattened batch, only there.

        Returns: summed loss (nats), how many targets were the likeliest token, number of targets
        """
        from torch.nn.functional import cross_entropy

        labels = inputs.pop("labels")[:, 1:]
        at = (labels != IGNORED).any(dim=0).nonzero().flatten()
        logits = model(**inputs, logits_to_keep=at).logits.flatten(0, 1).float()
        targets = labels[:, at].flatten()
        nll = cross_entropy(logits, targets, ignore_index=IGNORED, reduction="sum")
        return nll, (logits.argmax(-1) == targets).sum(), (targets != IGNORED).sum()

    def _take(self, mode: str) -> "list[float] | None":
        """Return what was summed up since the last call, over all processes, or None of nothing."""
        import torch

        kept = self._metrics[mode].pop(SUMS, None)
        if not kept:
            return None
        summed = torch.stack(kept).cpu().double().sum(dim=0)  # mps has no float64
        if self.accelerator.num_processes > 1:
            summed = self.accelerator.reduce(summed.float().to(self.args.device), "sum")
        return summed.tolist()

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log what was summed up, once: a number that is brought over waits for the device."""
        # An evaluation logs too, between two logs of training.
        if self.model.training and (sums := self._take("train")) is not None:
            _, correct, count, tokens = sums
            self._total_train_tokens += int(tokens)
            self._metrics["train"]["mean_token_accuracy"] = [correct / max(count, 1)]
            self._metrics["train"]["num_tokens"] = [self._total_train_tokens]
        super().log(logs, start_time)

    def evaluation_loop(self, *args: Any, **kwargs: Any) -> Any:
        """Evaluate; the loss is that of all tokens together."""
        output = super().evaluation_loop(*args, **kwargs)
        if (sums := self._take("eval")) is not None:
            nll, correct, count, _ = sums
            output.metrics[f"{kwargs.get('metric_key_prefix', 'eval')}_loss"] = nll / max(count, 1)
            self._metrics["eval"]["mean_token_accuracy"] = [correct / max(count, 1)]
        return output

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """Count as transformers does, but the weights only once: it walks over all at each step."""
        return 6 * inputs["input_ids"].numel() * self._weights
