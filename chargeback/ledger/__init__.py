"""The only SQL: what is booked, allocated, billed, proved and reported."""
