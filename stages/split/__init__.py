"""Give each group its side by its hash; keep what would leak out of training.

    sets:
      <name>:
        from: rows | <source> | [<source>, ...]   # data/rows.jsonl, or data/sources/<source>.jsonl
        val: 0.1                    # shares in [0, 1], together at most 1; test 1.0 trains nothing
        test: 0.15
        ids: {val: [...], test: [...]}            # optional, takes the place of the shares: row ids
        stratify: skill | <key of the record>     # optional: the shares hold in each stratum
        near_duplicates: group | keep   # group: near-duplicate rows, of other such sets too, go to
                                        # one side, or leave training where `ids` set them apart
        cap: {val: {default: 20}, test: {<skill>: 80, default: 40}}   # rows per skill; may be {}
        train_sample: 40            # optional: so many training rows are answered and scored too,
                                    # as the set <name>_train, to set train beside test
    split:
      leakage: remove | error
      near_duplicate_similarity: 0.9              # Jaccard similarity of the prompts' word trigrams

A group goes where its hash says, so that a row keeps its side when the data grows. Groups joined by
near-duplicates go together where the first of them is held out: new rows can take a training row to
test, never a test row to training.

    near_duplicates.py   which groups hold nearly the same prompts
    sides.py             the side of each row of a set
    leakage.py           what stands on two sides, and leaves the training one
    sampling.py          the training rows that are answered and scored too
"""
