"""Fixtures for the tests of the client: one annotator in the session's real Label Studio."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from annotator_ops.labelstudio import LabelStudio
from tests.labelstudio.people import PASSWORD, Person, client_of
from tests.real import RealInstance


@pytest.fixture
def client(label_studio: RealInstance) -> Iterator[LabelStudio]:
    with client_of(label_studio) as found:
        yield found


@pytest.fixture
def anna(label_studio: RealInstance, client: LabelStudio) -> Iterator[Person]:
    client.ensure_annotator("anna@example.org", PASSWORD, "Anna")
    with Person(label_studio, "anna@example.org") as person:
        yield person
