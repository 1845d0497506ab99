"""Score one model's answers and its variations: what each row is worth, and each section.

    answers, variations ─┬─ families ── summary ─┬─ values of each row ─ data/scores/
    test rows ── matching ┘     │                ├─ of each variation ── data/variation_scores/
                                │                └─ sections ─────────── metrics/models/
        metrics/ (one `evaluate.Metric` a family), embedding and topics, sandbox

The keys and what they mean: `stages.core.keys`.
"""
