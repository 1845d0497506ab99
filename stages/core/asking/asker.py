"""Who asks: `generate`, or `judge`. What they share says so on its lines, and in its faults."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Asker:
    """A stage that asks.

    stage:    what its lines begin with
    teachers: where params.yaml holds those who answer
    settings: the section of its budget_usd, on_budget and max_tokens
    requests: the stage that makes its requests
    told:     where what the offline teacher knows comes from
    """

    stage: str
    teachers: str
    settings: str
    requests: str
    told: str


GENERATE = Asker("generate", "teachers", "generate", "prompt", "give the seeds a `truth`")
