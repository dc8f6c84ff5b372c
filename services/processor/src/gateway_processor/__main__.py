"""`python -m gateway_processor`."""

from gateway_common.serving import run
from gateway_processor.worker import main

if __name__ == "__main__":
    run(main)
