-- Who may call the API: tokens, idempotency keys, and the rows a viewer may read.
SELECT 1;
