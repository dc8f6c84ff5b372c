"""`python -m gateway_dashboard`."""

from gateway_common.serving import run
from gateway_dashboard.main import main

if __name__ == "__main__":
    run(main)
