"""The corpus of the command parser: messages that are composed, not listed, with their commands.

`fragments` loads what several authors wrote without seeing each other (../fragments/*.json),
`speaker` makes noun phrases and places of it, `wishes` single requests, `lists` several in one
message, `discourse` feedback and references, `noise` the typing of hurried people, and `samples`
mixes all of it. A sample depends on nothing but its seed.
"""
