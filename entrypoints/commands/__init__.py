"""What the commands do: call the ledger, the tasks or the stack, and show the answer.

Owns no business and no words of the command line (`entrypoints.typed`). Each function returns an exit status.
"""
