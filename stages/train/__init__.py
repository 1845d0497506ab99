"""Train one adapter on its frozen parents, all active.

Reads:   data/mix/<name>, models/base, models/<on>
Writes:  models/<name>, metrics/curves/<name>.csv, metrics/costs/train.<name>.json
         checkpoints while it trains, outside of DVC's outputs (stages.core.checkpoints)
Network: the hub's cache, when the base is a hub model
"""
