"""Ask the teachers; the engine is `stages.core.asking`."""
