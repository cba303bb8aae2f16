"""Do the tests see a planted bug? Plants them one at a time, runs the tests that cover the place, and counts.

    python -m tests.mutation.cover lines.json            # which tests pass which lines; takes as long as the tests
    python -m tests.mutation lines.json --count 400      # plants 400 bugs, in a copy of fnn, and reports what survived

Needs the package `coverage` and a system that can fork.
"""
