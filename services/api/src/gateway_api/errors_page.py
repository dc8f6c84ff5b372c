"""The errors for people to read, made from their tree: as the page that every `doc_url` leads to, and by
`python -m gateway_api.errors_page` as docs/errors.md.
"""

import base64
import hashlib
import textwrap
from html import escape
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from gateway_api.errors import DOC_PATH
from gateway_common.errors import GatewayError, error_kinds

_INTRODUCTION: Final = (
    "Every error is a JSON object: `error.code` is stable and for programs, `error.message` says in a sentence what to "
    "send instead, `error.param` names the field at fault. What may be retried can be sent again as it is, a POST only "
    "with the same Idempotency-Key; `error.retryable` says so for the request at hand."
)
_COLUMNS: Final = ("Code", "Status", "Meaning", "Retry")
_STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --mark: #fd03; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .5rem 1rem .5rem 0; border-bottom: 1px solid var(--line); }
tr:target { background: var(--mark); scroll-margin-top: 4rem; }
code { font: .9em ui-monospace, monospace; }
@media (max-width: 40rem) {
  thead { display: none; }
  tr { display: block; padding: .5rem 0; border-bottom: 1px solid var(--line); }
  th, td { display: inline; padding: 0 .5rem 0 0; border: 0; }
  td:nth-child(3) { display: block; }
  td:nth-child(4)::before { content: "Retry: "; }
}
"""
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS: Final = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "public, max-age=3600",
}


def errors_page() -> APIRouter:
    """The route of the page, which is made once."""
    router = APIRouter()
    page = html().encode()

    @router.get(DOC_PATH, include_in_schema=False)
    async def get_errors() -> Response:
        return Response(page, headers=_HEADERS, media_type="text/html")

    return router


def markdown() -> str:
    rows = [f"| `{kind.code}` | {kind.status} | {kind.meaning} | {_retry(kind)} |" for kind in error_kinds()]
    head = [f"| {' | '.join(_COLUMNS)} |", f"|{' --- |' * len(_COLUMNS)}"]
    note = "Made by `make docs` from `gateway_common/errors.py`."
    return "\n".join(["# Errors", "", *textwrap.wrap(_INTRODUCTION, 120), "", *head, *rows, "", note, ""])


def html() -> str:
    rows = [
        f'<tr id="{kind.code}"><th scope="row"><a href="#{kind.code}"><code>{kind.code}</code></a></th>'
        f"<td>{kind.status}</td><td>{_prose(kind.meaning)}</td><td>{_retry(kind)}</td></tr>"
        for kind in error_kinds()
    ]
    head = "".join(f'<th scope="col">{column}</th>' for column in _COLUMNS)
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>Errors of the payment gateway</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>",
            f"<h1>Errors</h1>\n<p>{_prose(_INTRODUCTION)}</p>\n<table>",
            f"<thead><tr>{head}</tr></thead>\n<tbody>",
            *rows,
            "</tbody>\n</table>\n</main>\n</body>\n</html>\n",
        ]
    )


def _retry(kind: type[GatewayError]) -> str:
    return "yes" if kind.retryable else "no"


def _prose(text: str) -> str:
    """The text as HTML, with what stands between backticks as code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts))


if __name__ == "__main__":
    print(markdown(), end="")  # noqa: T201 -- `make docs` writes it to its file.
