"""How passwords are kept: all of them were made by a machine. Django loads this by the name in its settings."""

from __future__ import annotations

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class MachineMade(PBKDF2PasswordHasher):  # type: ignore[misc, no-any-unimported, unused-ignore]
    """Django's own, with a hundredth of its rounds.

    The rounds protect words that people choose and use elsewhere. annotator_ops makes every password of these instances
    from random letters (at least 75 bits), and no annotator can change one: nobody tries those out, however quickly.
    A quarter of a second of processor for each try at the login page, however, is a way to bring the machine down.
    """

    iterations = 10_000
