"""Let one model answer chosen rows again: under other wordings of the prompt, and by sampling.

chosen rows ─┬─ wordings (ablation.variants) ─ greedy ─┬─ data/variations/<name>.jsonl
             └─ as trained ─────────── profile.samples ┘
"""
