"""Make the base model from scratch, or name the one that the hub or a folder holds.

Reads:   data/splits/<base.set> (scratch)
Writes:  models/base: manifest, tokenizer, chat template; weights only of a scratch base
         checkpoints while it trains, outside of DVC's outputs (stages.core.checkpoints)
Network: hub (source: hub)
"""
