"""Every rule and every row of the payment gateway. No process starts here."""
