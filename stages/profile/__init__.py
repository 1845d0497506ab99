"""Tell how alike a model's answers to one prompt are, and whom they describe.

    data/variations, data/variation_scores ─ runs ─┬─ consistency   agreement, spread, diversity
    the training rows of the set ──────────────────┴─ bias ─┬─ attributes    classes, counted
                                                            ├─ distances     of distributions
                                                            └─ association   of two attributes

Answers to one prompt resemble each other: they count as one draw, not as many.
"""
