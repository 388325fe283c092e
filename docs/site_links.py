"""Finds links within a built site that lead nowhere."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["dead_links"]


class _Page(HTMLParser):
    """What a page links to, and the places in it that can be linked to."""

    def __init__(self, text: str):
        super().__init__()
        self.links, self.places = [], {"", "top"}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        """Keep addresses and names."""
        given = dict(attributes)
        self.places |= {given[name] for name in ("id", "name") if given.get(name)}
        self.links += [given[name] for name in ("href", "src") if given.get(name)]


def dead_links(folder: Path) -> list[str]:
    """The links from one page of a folder to a file, or a place in a page, that is not there: "page: link" each.

    Links out of the site are not followed; nothing is fetched.
    """
    pages = {path.resolve(): _Page(path.read_text(encoding="utf-8")) for path in folder.rglob("*.html")}
    return [f"{path.relative_to(folder.resolve())}: {link}" for path, page in sorted(pages.items())
            for link in dict.fromkeys(page.links) if not _leads_somewhere(link, path, pages)]


def _leads_somewhere(link, page, pages):
    """Whether a link is followed by a browser to something that is there; one out of the site is taken to be."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return True
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if target not in pages:
        return target.exists()
    return unquote(parts.fragment) in pages[target].places
