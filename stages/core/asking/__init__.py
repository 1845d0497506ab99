"""Ask LLMs for what the journal of replies lacks; never pay twice. Shared by generate and judge.

requests ─ lacking ─ pool of workers ─ client ─ HTTP ─ a teacher, or `offline`
             │             │ the moment a reply arrives
             └── journal ──┴── replies, in the order of the requests
"""
