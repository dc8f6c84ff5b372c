"""`python -m gateway_webhook_dispatcher`."""

from gateway_common.serving import run
from gateway_webhook_dispatcher.worker import main

if __name__ == "__main__":
    run(main)
