"""Pages of one file, without any reference to the network, light or dark as the reader's system is."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from gnnctl.page.style import CSS


@dataclass(frozen=True)
class Card:
    """A part of a page.

    Attributes:
        title: its heading, as text.
        body: HTML.
        note: what a reader should know of it, as text.
        wide: over both columns.
    """

    title: str
    body: str
    note: str = ""
    wide: bool = False

    def html(self) -> str:
        """The card as HTML."""
        note = f"<p><small>{escape(self.note)}</small></p>" if self.note else ""
        wide = " wide" if self.wide else ""
        return f'<div class="card{wide}"><h2>{escape(self.title)}</h2>{self.body}{note}</div>'


def document(title: str, body: str, navigation: str = "") -> str:
    """A whole page.

    Args:
        title: of the window, as text.
        body: HTML of its main part. navigation: HTML above it.
    """
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><style>{CSS}</style></head>'
        f"<body>{navigation}<main>{body}</main></body></html>\n"
    )


def section(kicker: str, heading: str, lead: str, chips: Iterable[str], cards: Iterable[Card]) -> str:
    """A heading with a lead (HTML) and chips (text), and cards in two columns."""
    small = "".join(f'<span class="chip">{escape(chip)}</span>' for chip in chips)
    return (
        f'<section><header><p class="kicker">{escape(kicker)}</p><h1>{escape(heading)}</h1>'
        f'<p class="answer">{lead}</p><p class="chips">{small}</p></header>'
        f'<div class="grid">{"".join(card.html() for card in cards)}</div></section>'
    )


def html_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Rows of text and numbers; the first column names the row, numbers stand to the right."""
    head = "".join(f'<th scope="col"{"" if i == 0 else _RIGHT}>{escape(name)}</th>' for i, name in enumerate(header))
    body = "".join(
        "<tr>"
        + "".join(
            f'<th scope="row">{escape(str(value))}</th>' if i == 0 else f"<td{_RIGHT}>{_cell(value)}</td>"
            for i, value in enumerate(row)
        )
        + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


_RIGHT = ' class="n"'


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return escape(str(value))
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}" if abs(value) < 1e4 else f"{value:.4g}"
