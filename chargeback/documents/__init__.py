"""What goes out: invoices as PDF, reports as CSV and HTML, and the folder they are published in.

Owns how things look on paper and on screen, and their bytes. Knows no database: it draws the values
of `chargeback.views` and computes no money.
"""
