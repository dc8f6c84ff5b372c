"""The rule by which a route needs a scope, stated once more for tests that walk all routes."""

from gateway_common.merchants.model import Scope


def needed_scope(method: str, path: str) -> Scope:
    """The rule: who reads needs `read`, and who changes something the scope of its noun. A check changes nothing."""
    if (method == "GET" and not path.endswith("/secret")) or path.endswith("/check-signature"):
        return Scope.READ
    if path.endswith("/refunds"):
        return Scope.REFUNDS
    return Scope.WEBHOOKS if "/webhook-" in path else Scope.WRITE
