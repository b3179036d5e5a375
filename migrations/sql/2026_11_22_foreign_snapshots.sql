-- What a waiting row in another currency said itself, and the rate it was converted at.
ALTER TABLE waiting_usage
    ADD COLUMN currency text,
    ADD COLUMN original_cost raw_amount,
    ADD COLUMN exchange_rate raw_amount;
