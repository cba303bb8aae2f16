"""Benchmarks: fnn beside other neural-network libraries, run as `python -m benchmarks`.

`nets.py` describes networks once, as data. Each file of `peers/` builds such a description the way that library's good
users would; `agreement.py` refuses to time peers that do not compute the same numbers; `measure.py` takes turns among
them. `operations/` does the same for single operations, `imports.py` for `import`. What comes out are `Measurement`s,
which `table.py`, `chart.py` and `results.json` show.
"""
