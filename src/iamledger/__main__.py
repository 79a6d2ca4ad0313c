"""`python -m iamledger` is the program `iamledger`."""

from iamledger.cli.main import run

if __name__ == "__main__":
    run()
