"""`python -m gateway_sdk`."""

from gateway_common.serving import run
from gateway_sdk.main import main

if __name__ == "__main__":
    run(main)
