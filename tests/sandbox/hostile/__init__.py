"""What somebody would try who runs code inside an instance. Needs only the standard library.

Each probe says "SUCCEEDED" or "refused: why". Run without walls, most succeed: that is tested, too.
"""
