"""Long fuzzing campaigns: parts that go on for minutes, spread over processes by pytest-xdist.

Each part has two accounts to itself. They share the sequences that failed, through Hypothesis' example database:
what one part finds the others try next, and so does the next campaign.
"""
