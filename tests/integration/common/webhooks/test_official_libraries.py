"""The official libraries of Standard Webhooks, from their registries, believe what we sign and nothing else."""

import base64
import json
import subprocess
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from standardwebhooks import Webhook, WebhookVerificationError
from tests.support.fuzzed_events import fuzzed_events
from tests.support.node import absent, needed

from gateway_common.webhooks.signing import new_secret, sign_standard

# No lock file: it would hold a registry's address. What the library itself needs is two small packages for base64 and
# SHA-256.
LIBRARY = "standardwebhooks@1.1.1"
SCRIPT = Path(__file__).parents[3] / "support" / "official_library.mjs"


@dataclass(frozen=True)
class Sent:
    """A webhook, the secret it is verified with, and the event's id if it is to be believed."""

    secret: str
    headers: dict[str, str]
    body: bytes
    believed: str | None

    def without_trust(self, **changes: str) -> "Sent":
        headers = self.headers | {name.replace("_", "-"): value for name, value in changes.items()}
        return replace(self, headers=headers, believed=None)


@pytest.fixture(scope="module")
def sent() -> list[Sent]:
    """Good ones of all kinds, among them some signed with two secrets, and each kind of bad one."""
    old, new, other, now = new_secret(), new_secret(), new_secret(), int(time.time())
    made = []
    for event in fuzzed_events(300, seed=8):
        signatures = [
            sign_standard(secret, webhook_id=event.id, timestamp=now, body=event.body) for secret in (new, old)
        ]
        headers = {
            "webhook-id": event.id, "webhook-timestamp": str(now), "webhook-signature": " ".join(signatures),
        }  # fmt: skip
        made += [Sent(new, headers, event.body, event.id), Sent(old, headers, event.body, event.id)]
    good = made[1]
    late = sign_standard(old, webhook_id="evt_1", timestamp=now - 301, body=good.body)
    return [
        *made,
        replace(good, secret=other, believed=None),
        replace(good, body=good.body + b" ", believed=None),
        good.without_trust(webhook_id="evt_1"),
        good.without_trust(webhook_timestamp=str(now - 1)),
        good.without_trust(webhook_id="evt_1", webhook_timestamp=str(now - 301), webhook_signature=late),
    ]


def test_the_python_library_believes_us(sent: list[Sent]) -> None:
    for webhook in sent:
        if webhook.believed:
            assert Webhook(webhook.secret).verify(webhook.body, webhook.headers)["id"] == webhook.believed
        else:
            with pytest.raises(WebhookVerificationError):
                Webhook(webhook.secret).verify(webhook.body, webhook.headers)


def test_the_javascript_library_believes_us(sent: list[Sent], tmp_path: Path) -> None:
    node = needed("node", "to run the official library for JavaScript")
    install_library(tmp_path)
    lines = [
        {"secret": each.secret, "headers": each.headers, "body": base64.b64encode(each.body).decode()} for each in sent
    ]

    done = subprocess.run(
        [node, str(SCRIPT), str(tmp_path)],
        input="".join(json.dumps(line) + "\n" for line in lines),
        capture_output=True,
        text=True,
        check=True,
    )

    assert [json.loads(line) for line in done.stdout.splitlines()] == [each.believed for each in sent]


def install_library(folder: Path) -> None:
    """Put the library below this folder; from where, the machine's npm knows. No script of a package is run."""
    npm = needed("npm", "to install the official library for JavaScript")
    options = ("--no-save", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    installed = subprocess.run(
        [npm, "install", *options, "--prefix", str(folder), LIBRARY],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    if installed.returncode != 0:
        absent(f"npm could not install {LIBRARY}: {installed.stderr.strip()[-500:]}")
