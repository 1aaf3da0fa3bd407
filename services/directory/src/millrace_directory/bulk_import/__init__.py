"""Parts that the imports of all file formats share: rows, staging tables, transactions, events, statistics."""
