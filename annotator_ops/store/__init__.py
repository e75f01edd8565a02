"""Layer 3. What a study remembers, below its state directory (0700).

`study.sqlite3` (0600) holds the instances as recorded, every raw export that was ever collected, what was read from
them, and the audit log. Raw exports are the truth: ratings, findings, comments and the history of annotations can be
made from them again (`Store.rebuild`). `secrets/` holds each annotator's credentials in a 0600 file of its own, so that
a lost database loses no access. `lock` names who is changing the study just now.
"""
