"""Layer 5. `python -m annotator_ops` is the same as `ops`."""

from annotator_ops.cli.main import main

if __name__ == "__main__":
    main()
