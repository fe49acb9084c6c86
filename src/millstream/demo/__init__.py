"""The demo: a grocer's real year on one machine, from nothing to lists that change as people buy.

`story.run` tells it; each step can be repeated, so that a second run resumes and an interrupted one goes on.
"""
