"""The page's frame: style sheet and the small pieces of HTML. Every argument is plain text and is escaped."""

from collections.abc import Iterable, Sequence
from html import escape

# No request leaves the page: the policy below allows inline styles and data images alone.
_HEAD = """<!DOCTYPE html>
<html lang="en"> <head> <meta charset="utf-8"> <meta name="viewport" content="width=device-width,
initial-scale=1"> <meta name="color-scheme" content="light dark"> <meta http-equiv="Content-Security-Policy"
content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
"""

_CSS = """
:root { --ink: #1f2328; --soft: #59636e; --paper: #ffffff; --card: #f6f8fa; --line: #d1d9e0; --link:
#0b62c4; } @media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #9aa4b0; --paper: #14171c;
--card: #1c2027; --line: #343b45; --link: #6db0ff; } } * { box-sizing: border-box; } body { margin: 0 auto;
padding: 1rem; max-width: 78rem; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui,
-apple-system, "Segoe UI", Roboto, sans-serif; } h1 { font-size: 1.6rem; line-height: 1.25; margin: .5rem 0
1rem; overflow-wrap: anywhere; } h2 { font-size: 1.2rem; margin: 2.2rem 0 .3rem; padding-top: .6rem;
border-top: 1px solid var(--line); } p, figcaption { color: var(--soft); max-width: 90ch; } p { margin:
.2rem 0 .8rem; } a { color: var(--link); overflow-wrap: anywhere; } .figures { display: grid; gap: 1rem;
grid-template-columns: repeat(auto-fill, minmax(min(100%, 23rem), 1fr)); } .strip { display: grid; gap:
.6rem; grid-template-columns: repeat(auto-fill, minmax(min(45%, 12rem), 1fr)); margin: 0; } .strip div,
figure { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; } .strip div {
padding: .6rem .8rem; } dt { color: var(--soft); font-size: .85rem; } dd { margin: 0; font-size: 1.25rem;
font-weight: 600; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; } dd small { display: block;
font-size: .8rem; font-weight: 400; color: var(--soft); } figure { margin: 0; padding: .7rem; } figure b {
display: block; margin-bottom: .3rem; } figure svg { display: block; width: 100%; height: auto; } figcaption
{ font-size: .85rem; line-height: 1.4; margin-top: .4rem; } .scroll { overflow-x: auto; } table {
border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; } th, td { text-align:
left; padding: .3rem .9rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top;
overflow-wrap: anywhere; } th { color: var(--soft); font-weight: 500; } .number { text-align: right; }
@media print { figure, .strip div { break-inside: avoid; } }
"""


def document(title: str, body: Iterable[str]) -> str:
    """Return a whole page; `body` is HTML."""
    head = f"{_HEAD}<title>{escape(title)}</title>\n<style>{_CSS}</style>\n</head>\n"
    return "\n".join([f"{head}<body>", f"<h1>{escape(title)}</h1>", *body, "</body>\n</html>\n"])


def heading(text: str, explanation: str = "") -> str:
    """Return the start of a section."""
    below = f"\n<p>{escape(explanation)}</p>" if explanation else ""
    return f"<h2>{escape(text)}</h2>{below}"


def strip(figures: Iterable[tuple[str, str, str]]) -> str:
    """Return key figures side by side, each of a label, a value and a note."""
    cells = (
        f"<div><dt>{escape(label)}</dt><dd>{escape(value)}{_small(note)}</dd></div>" for label, value, note in figures
    )
    return f'<dl class="strip">{"".join(cells)}</dl>'


def figure(title: str, svg: str, caption: str, file: str, folder: str = "plots") -> str:
    """Return a plot with its caption and a link to the CSV file of its values; `svg` is HTML."""
    below = f"{escape(caption)} Values: {link(file, folder)}"
    return f"<figure><b>{escape(title)}</b>{svg}\n<figcaption>{below}</figcaption></figure>"


def figures(plots: Iterable[str]) -> str:
    """Return plots side by side, as many as fit the screen; `plots` are HTML."""
    return f'<div class="figures">{"".join(plots)}</div>'


def link(file: str, folder: str = "plots") -> str:
    """Return a link to a file in a folder beside the page."""
    path = escape(f"{folder}/{file}")
    return f'<a href="{path}">{path}</a>'


def table(header: Sequence[str], rows: Iterable[Sequence[str]], numbers_from: int) -> str:
    """Return a table whose columns from `numbers_from` on are aligned as numbers."""

    def line(tag: str, texts: Sequence[str]) -> str:
        kinds = ('class="number"' if k >= numbers_from else "" for k in range(len(texts)))
        return "".join(f"<{tag} {kind}>{escape(text)}</{tag}>" for kind, text in zip(kinds, texts, strict=True))

    top = f"<thead><tr>{line('th', header)}</tr></thead>"
    body = "".join(f"<tr>{line('td', row)}</tr>" for row in rows)
    return f'<div class="scroll"><table>{top}<tbody>{body}</tbody></table></div>'


def _small(note: str) -> str:
    return f"<small>{escape(note)}</small>" if note else ""
