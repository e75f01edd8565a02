"""Label configs: what Label Studio refuses is refused in words, and the controls and variables are those it uses."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator_ops.errors import OpsError
from annotator_ops.labeling import Control, check, default_criteria, parse
from annotator_ops.models import Level

ALL = """<?xml version="1.0" encoding="utf-8"?>
<View>
  <!-- a comment with $no_variable -->
  <Style>.x { color: red }</Style>
  <Header value="About $card.name and $price"/>
  <Text name="text" value="$text"/>
  <HyperText name="page" value="$page" valueType="url"/>
  <Image name="images" valueList="$photos"/>
  <Repeater on="$turns" indexFlag="{{i}}"><Text name="turn_{{i}}" value="$turns[{{i}}].said"/></Repeater>
  <Choices name="one" toName="text" choice="single-radio" required="true">
    <Choice value="a"/><Choice value="b" alias="B"/>
  </Choices>
  <Choices name="many" toName="text" choice="multiple"><View><Choice value="x"/><Choice value="y"/></View></Choices>
  <Choices name="dynamic" toName="text" value="$options"/>
  <Choices name="inner" toName="text" perRegion="true"><Choice value="p"/><Choice value="q"/></Choices>
  <Rating name="stars" toName="text" maxRating="7"/>
  <Rating name="five" toName="text"/>
  <Number name="count" toName="text" min="0" max="10.5"/>
  <Pairwise name="better" toName="text,page"/>
  <TextArea name="why" toName="text" maxSubmissions="1"/>
  <Labels name="spans" toName="text"><Label value="L1"/><Label value="L2"/></Labels>
  <RectangleLabels name="boxes" toName="images"><Label value="Car"/></RectangleLabels>
  <Taxonomy name="tree" toName="text"><Choice value="t"><Choice value="u"/></Choice></Taxonomy>
</View>"""


def test_controls() -> None:
    controls = {control.name: control for control in parse(ALL).controls}
    assert list(controls) == (
        ["one", "many", "dynamic", "inner", "stars", "five", "count", "better", "why", "spans", "boxes", "tree"]
    )
    assert controls["one"] == Control("one", "Choices", ("text",), ("a", "B"), False, True, None, None)
    assert (controls["many"].labels, controls["many"].multiple) == (("x", "y"), True)
    assert (controls["dynamic"].labels, controls["dynamic"].dynamic) == ((), True)
    assert controls["inner"].per_region
    assert (controls["stars"].minimum, controls["stars"].maximum) == (1, 7)
    assert (controls["five"].minimum, controls["five"].maximum) == (1, 5)
    assert (controls["count"].minimum, controls["count"].maximum) == (0, 10.5)
    assert (controls["better"].to_name, controls["better"].labels) == (("text", "page"), ("left", "right"))
    assert controls["spans"].labels == ("L1", "L2")
    assert [name for name, control in controls.items() if control.marks_regions] == ["spans", "boxes"]


def test_variables() -> None:
    config = parse(ALL)
    assert config.variables == ("card.name", "price", "text", "page", "photos", "turns", "options")
    assert [found.variable for found in config.inputs if found.is_url] == ["page"]
    assert [found.variable for found in config.inputs if not found.is_whole_value] == ["card.name", "price", "turns"]


def test_default_criteria() -> None:
    levels = {criterion.control: criterion.level for criterion in default_criteria(parse(ALL))}
    nominal = dict.fromkeys(["one", "many", "dynamic", "better", "spans", "boxes", "tree"], Level.NOMINAL)
    assert levels == {**nominal, "stars": Level.ORDINAL, "five": Level.ORDINAL, "count": Level.INTERVAL}


def around(tags: str) -> str:
    return f'<View>\n<Text name="t" value="$t"/>\n{tags}\n</View>'


@pytest.mark.parametrize(
    ("xml", "line", "says"),
    [
        ("", 1, "no element"),
        ("<View>", 1, "no element"),
        ("<View>\n<Text></View>", 2, "mismatched tag"),
        ("<View>a & b</View>", 1, "not well-formed"),
        ('<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><View>&e;</View>', None, "DOCTYPE"),
        ('<!doctype x [<!ENTITY a "aa">]><View>&a;</View>', None, "DOCTYPE"),
        (around('<Choises name="c" toName="t"><Choice value="a"/></Choises>'), 3, "<Choises>"),
        (around('<Choices name="c" toName="t"></Choices>'), 3, "nothing to choose"),
        (around('<Choices name="c" toName="nobody"><Choice value="a"/></Choices>'), None, "nobody"),
        (around("<Choices name='c' toName='nobody'><Choice value='a'/></Choices>"), None, "nobody"),
        (around('<Choices name="t" toName="t"><Choice value="a"/></Choices>'), None, "non-unique"),
        (around('<Rating toName="t"/>'), 3, "lacks name"),
        (around('<Rating name="r"/>'), 3, "lacks toName"),
        (around('<Rating name="r" toName="t" maxRating="many"/>'), 3, 'maxRating="many"'),
        (around("<Text/>"), None, "valueList"),
    ],
)
def test_what_label_studio_would_refuse(xml: str, line: int | None, says: str) -> None:
    config, problems = check(xml, where="config.xml")
    assert config is None
    assert any(says in problem.message and problem.line == line for problem in problems), problems
    assert all(problem.where == "config.xml" and problem.hint for problem in problems)
    with pytest.raises(OpsError, match=re.escape(says)) as caught:
        parse(xml)
    assert caught.value.code == "label-config-invalid"


def test_several_mistakes_at_once() -> None:
    _, problems = check(around('<Choises name="c" toName="t"/><Rating name="r"/><Heder value="x"/>'))
    assert [problem.hint for problem in problems][:2] == ["Did you mean <Choices>?", "Did you mean <Header>?"]
    assert "lacks toName" in problems[2].message


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet='<>/="$ \nViewTxtChocsnamlu', max_size=60))
def test_any_text_is_a_config_or_a_refusal(text: str) -> None:
    for candidate in (text, around(text)):
        config, problems = check(candidate)
        assert (config is None) == bool(problems)
