"""Train one adapter on its frozen parents, all active.

Reads:   data/mix/<name>, models/base, models/<on>
Writes:  models/<name>, metrics/curves/<name>.csv, metrics/costs/train.<name>.json
Network: the hub's cache, when the base is a hub model
"""
