"""Set an adapter beside the model it stands on and beside the base.

forgetting.py     what was lost of the base's skill, and what came back
gap.py            how much better a model is on the rows that it was trained on
"""
