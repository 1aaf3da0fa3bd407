"""Audit trail of accesses to personal data (actor, person, action, purpose): append-only and hash-chained.

Each service that has personal data keeps its own trail in its database, in the transaction of the access.
"""
