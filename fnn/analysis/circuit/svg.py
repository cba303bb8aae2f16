def to_svg(e,w): return ""
