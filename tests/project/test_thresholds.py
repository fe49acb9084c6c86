"""What decides is a var with a line of its own, and no number in the text of a model."""

from __future__ import annotations

import re

from tests.project.compiled import ROOT

# Numbers that stand in a model, and why they are no vars. 0 and 1 are signs, counts and places.
ALLOWED = {
    ("feat_item_trend", "6"): "the vars are called after the windows",
    ("feat_item_trend", "24"): "the vars are called after the windows",
    ("rank_bought_items", "1000000"): "days that are after every moment",
    ("rank_fallback", "1000000"): "a weight that says enough",
    ("rank_user_list", "2"): "the name of a tier",
    ("serve_bought_together", "2"): "the name of a tier",
    ("serve_similar_items", "2"): "the name of a tier",
}
COMMENT, JINJA = re.compile(r"--.*"), re.compile(r"{[{%].*?[%}]}", re.DOTALL)
INTERVAL, TEXT = re.compile(r"interval '([^']*)'"), re.compile(r"'[^']*'")
NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.])")


def numbers(text: str) -> set[str]:
    """The numbers of a model's SQL, those of intervals too, without comments, Jinja and text."""
    bare = JINJA.sub(" ", COMMENT.sub("", text))
    return set(NUMBER.findall(TEXT.sub(" ", INTERVAL.sub(r" \1 ", bare)))) - {"0", "1"}


def test_numbers_are_found_where_they_decide() -> None:
    assert numbers("where a >= 3 -- not 4\nand b > {{ var('least') + 7 }} and c = '9' and d_24h > 0.25") == {
        "3",
        "0.25",
    }
    assert numbers("where at > now() - interval '6 hours' limit 50") == {"6", "50"}


def test_no_model_has_a_threshold_of_its_own() -> None:
    files = [path for path in (ROOT / "sql").rglob("*.sql") if not {"sources", "sinks"} & set(path.parts)]
    found = {(path.stem, number) for path in files for number in numbers(path.read_text())}
    assert found == set(ALLOWED)


def test_every_var_has_a_line_that_says_what_it_is() -> None:
    lines = (ROOT / "dbt_project.yml").read_text().partition("\nvars:\n")[2].splitlines()
    bare = [
        name[1]
        for before, line in zip(["", *lines], lines, strict=False)
        if (name := re.match(r"  (\w+):", line)) and "  # " not in line and not before.startswith("  #")
    ]
    assert bare == []
