"""A made-up company to look at: twelve teams, sixty people, eight agents, three months of AI cost.

Nothing in it is real. Owns its payers file (`company.yaml`) and its usage, which a seeded generator
writes in the form of a cost tracker's export; how it is billed is the demo's.
"""
