"""What Chargeback promises, sentence by sentence, against a real Postgres."""
