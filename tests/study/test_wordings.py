"""What a task says as plain text."""

from __future__ import annotations

from annotator_ops.labeling import parse
from annotator_ops.models import Task
from annotator_ops.wordings import sizes, systems, wording, wordings

CONFIG = parse(
    '<View><Header value="$who"/><HyperText name="talk" value="$html"/>'
    '<Choices name="c" toName="talk"><Choice value="a"/><Choice value="b"/></Choices></View>'
)


def test_sizes_are_of_the_whole_text_that_was_made() -> None:
    long = Task("long", {"source": "not this", "response": "word " * 1_000, "system": " M1 "})
    picture = Task("picture", {"image": "https://example.org/a.png"})
    assert sizes([long, picture]) == {"long": 1000.0}
    assert systems([long, picture]) == {"long": "M1"}


def test_what_the_label_config_shows_is_shown_without_markup_in_its_order() -> None:
    data = {
        "id": "1",
        "html": "<style>p {color: red}</style><p><b>Ann:</b> 1 &lt; 2</p><b>Vera</b><p>Да, <i>конечно</i></p>",
        "who": "A pirate",
        "note": "not shown to annotators",
    }
    assert wording(data, CONFIG.inputs) == "A pirate\nAnn: 1 < 2\nVera\nДа, конечно"


def test_without_a_label_config_all_data_are_shown_but_the_ids() -> None:
    data = {"id": "1", "repeat_of": "0", "text": "a  b\n\n c", "n": 3, "flag": True, "nothing": None}
    assert wordings([Task("1", data)]) == {"1": "a b\nc\n3"}


def test_a_dialogue_in_a_list_is_shown_turn_by_turn() -> None:
    turns = [{"author": "user", "text": "Hi"}, {"role": "bot", "content": "Hello"}, {"text": "…"}]
    assert wording({"talk": turns}) == "user: Hi\nbot: Hello\n…"


def test_an_image_has_its_address_and_one_inside_the_data_nothing() -> None:
    assert wording({"image": "https://example.org/a.png"}) == "https://example.org/a.png"
    assert wording({"image": "data:image/png;base64,AAAA"}) == ""


def test_a_long_text_is_cut() -> None:
    text = wording({"text": "word " * 1000})
    assert len(text) <= 600
    assert text.endswith("word…")
