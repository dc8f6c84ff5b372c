"""An order: what is to be paid, once. Its amount is the merchant's word, not the browser's."""
