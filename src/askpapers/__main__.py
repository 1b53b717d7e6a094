"""`python -m askpapers` is `askpapers`."""

from askpapers.cli import main

if __name__ == "__main__":
    main()
