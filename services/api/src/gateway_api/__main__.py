"""`python -m gateway_api`."""

from gateway_api.main import main
from gateway_common.serving import run

if __name__ == "__main__":
    run(main)
