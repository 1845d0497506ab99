"""Bring in what the graph starts from: one file data/sources/<name>.jsonl an entry of `sources`.

    sources:
      <name>: null                                  # switched off: an empty file
      <name>: {kind: bank, file, rows, examples?}   # composed texts: seeds, or examples of them
      <name>: {kind: skills, rows, bank, apart_from}
          rows: a number, or {skill: number}; bank: a bank's file or null
          apart_from: a set (split by hash) whose held-out combinations are not used, or null
      <name>: {kind: file, file, rows?, ROWS?}      # .csv, .json or .jsonl
      <name>: {kind: hub, path, name?, revision, split, rows?, ROWS}    # a data set of the hub
      <name>: {kind: emoji, rows?, ROWS}            # columns emoji, name, base, status
    rows: at most so many rows of the table, drawn by hash; all of them when absent
    files are in recipes/<recipe>/sources/

ROWS says what a row of a table becomes, either a seed or examples:

    fields: {<variable>: <column>}                  # one seed
    examples: [{skill, instruction, answer, system?, keywords?}, ...] # one example an entry
        instruction: a Jinja template over the columns, or a list of wordings (one is drawn by hash)
        answer, system: a template
        keywords: {<key of the answer>: [<column>]}, words that it must hold (content_recall)
        an entry whose instruction or answer renders to nothing makes no example of that row
    conversations: {skill, column, role?, content?, roles?, turns?}   # ShareGPT's: conversations.py
    group: <column>                                 # optional; what a split keeps together

Beside ROWS, of a file or the hub (`stages.core.nulls`):

    nulls: {said?, unknown?, policy: {<column>, <column>.<key> or default: drop | unknown | omit}}
        the variable `record` of `examples` is the row's columns that say something

A `file` without ROWS holds seeds or examples as in `stages.core.records` (id and group optional).

    tables.py      readers: file, hub, emoji
    shapes.py      a table's row as a seed or as examples
    bank.py        texts composed from a bank, a small grammar (draft.py draws its words)
    conversations.py  chat rows of ShareGPT's turns
    skills.py      the built-in instruction corpus (operations.py, skills.yaml)
"""
