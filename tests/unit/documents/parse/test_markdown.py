"""Markdown."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from intramuros.documents.parse import markdown
from intramuros.documents.parse.limits import Limits


def shown(content: str) -> list[tuple[str, int, str]]:
    reading = markdown.read(content.encode(), Limits())
    return [(block.kind, block.level, block.text) for page in reading.pages for block in page.blocks]


def test_structure_without_its_marks() -> None:
    content = """# Titre *principal*

Un [lien](https://ailleurs.example) et du `code`
sur deux lignes.

## Liste

1. un
2. deux
   - imbriqué

   suite de deux

| Ville | Prix |
| --- | --- |
| Zurich | 180 |
|  | 170 |

```python
x = 1
```
<div>du <b>HTML</b></div>
"""
    assert shown(content) == [
        ("heading", 1, "Titre principal"),
        ("paragraph", 0, "Un lien et du code sur deux lignes."),
        ("heading", 2, "Liste"),
        ("item", 0, "1. un"),
        ("item", 0, "2. deux"),
        ("item", 0, "- imbriqué"),
        ("paragraph", 0, "suite de deux"),
        ("row", 0, "Ville: Zurich | Prix: 180"),
        ("row", 0, "Prix: 170"),
        ("code", 0, "x = 1"),
        ("paragraph", 0, "du HTML"),
    ]


def test_title_of_the_front_matter_or_the_first_heading() -> None:
    assert markdown.read(b"---\ntitle: 'Politique'\n---\n# Autre\n", Limits()).title == "Politique"
    assert markdown.read(b"# Autre\n", Limits()).title == "Autre"
    assert shown("---\ntitle: x\n---\nTexte") == [("paragraph", 0, "Texte")]


@given(st.text(st.sampled_from("#*->|`[]() \n1.ab"), max_size=300))
def test_any_text_is_read(content: str) -> None:
    shown(content)
